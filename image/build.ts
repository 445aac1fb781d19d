import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { rootStep } from "./steps/10-root.ts";
import { kernelStep } from "./steps/20-kernel.ts";
import { baseStep } from "./steps/30-base.ts";
import { initramfsStep } from "./steps/40-initramfs.ts";
import { appStep } from "./steps/50-app.ts";
import { isoStep } from "./steps/60-iso.ts";

const TOP = join(import.meta.dir, "..");
const USAGE = `usage: build.ts [--release] [--refresh] [--executable FILE] [--out FILE]
  --release  compress as well as is reasonable, from today's packages
  --refresh  from today's packages instead of those in the cache`;

const { values } = parseArgs({
  options: { release: { type: "boolean", default: false }, refresh: { type: "boolean", default: false }, executable: { type: "string" }, out: { type: "string" }, help: { type: "boolean", default: false } },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const { version } = (await Bun.file(join(TOP, "package.json")).json()) as { version: string };
const out = values.out ?? join(TOP, `dist/virtustor-${version}.iso`);
const executable = values.executable ?? join(TOP, "dist/virtustor");
const today = values.release || values.refresh ? new Date().toISOString().slice(0, 10) : null;
const began = performance.now();
mkdirSync(join(TOP, "dist"), { recursive: true });

try {
  const root = await rootStep({ refresh: today });
  const kernel = await kernelStep(root);
  const base = await baseStep(root, kernel, { release: values.release });
  const initramfs = await initramfsStep(root, kernel);
  const app = await appStep({ executable, version, release: values.release });
  const files = { vmlinuz: join(kernel, "vmlinuz"), "initrd.img": join(initramfs, "initrd.img"), "base.cpio": join(base, "base.cpio"), "app.cpio": join(app, "app.cpio") };
  await isoStep({ version, files, out });
  const mebibytes = (Bun.file(out).size / 2 ** 20).toFixed(0);
  console.error(`image: ${out} has ${mebibytes} MiB, made in ${((performance.now() - began) / 1000).toFixed(0)} s`);
} catch (error) {
  console.error(`virtustor: the image was not made: ${(error as Error).message}`);
  process.exit(1);
}
