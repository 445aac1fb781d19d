import { expect, test } from "bun:test";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INITIATOR, note, runProgram, SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

const MIB = 2 ** 20;
const IMAGE_BYTES = 2048 * MIB;
/** Content that no layer can guess or leave out. */
const FILES: readonly [string, number][] = [["large.bin", 96 * MIB], ["odd.bin", 1_234_567], ["small.txt", 11]];

async function must(...command: string[]): Promise<string> {
  const { code, out, err } = await runProgram(command);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${out}${err}`);
  return out;
}

/** An ext4 filesystem of 2 GiB with files in it. */
async function makeImage(directory: string): Promise<string> {
  const files = join(directory, "files");
  await mkdir(join(files, "deep", "er"), { recursive: true });
  for (const [name, bytes] of FILES) {
    const content = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(content.subarray(at, Math.min(at + 65536, bytes)));
    await Bun.write(join(files, "deep", "er", name), content);
  }
  const image = join(directory, "image.raw");
  await must("truncate", "-s", String(IMAGE_BYTES), image);
  await must("mkfs.ext4", "-q", "-F", "-d", files, image);
  return image;
}

function lun(portal: string, target: string): string {
  return `driver=iscsi,transport=tcp,portal=${portal},target=${target},lun=0,initiator-name=${INITIATOR}`;
}

test("a filesystem written through one server's portal is read back the same through another's", async () => {
  const directory = await mkdtemp(join(tmpdir(), "virtustor-main-job-"));
  const trial = await TrialUnderTest.make({ store: "etcd", servers: 3, drives: 2 });
  try {
    const [first, second, third] = trial.servers.map(({ portal }) => portal);
    const urls = await trial.volume("disk", "2GiB");
    expect(urls).toEqual(trial.servers.map(({ portal }) => `iscsi://${portal}/${trial.report.target}/0`));
    const image = await makeImage(directory);
    const begunMs = performance.now();
    await must("qemu-img", "convert", "-n", "-f", "raw", "--target-image-opts", image, lun(first ?? "", trial.report.target));
    const writtenMs = performance.now();
    const copy = join(directory, "copy.raw");
    await must("qemu-img", "convert", "-O", "raw", "--image-opts", lun(second ?? "", trial.report.target), copy);
    note(`2 GiB filesystem: written in ${Math.round(writtenMs - begunMs)} ms, read back in ${Math.round(performance.now() - writtenMs)} ms`);
    await must("cmp", image, copy);
    await must("e2fsck", "-fn", copy);
    await must("qemu-img", "compare", "--image-opts", lun(third ?? "", trial.report.target), `driver=raw,file.driver=file,file.filename=${image}`);
  } finally {
    await trial.wipe();
    await rm(directory, { recursive: true, force: true });
  }
}, SCENARIO_MS);
