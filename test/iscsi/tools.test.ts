import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INITIATOR, startTarget, type Fixture } from "./fixture.ts";
import { TARGET, unit } from "./memory-access.ts";

// Real initiators: libiscsi's tools and qemu, which `npm test` installs. Without them these tests fail.

/** The names under which iscsi-test-cu logs in. */
const TEST_NAMES = ["iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-test", "iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-test-2"];
/** What is built so far; reservations, copying and atomic writes are not. */
const SUITES = [
  "SCSI.CompareAndWrite", "SCSI.Inquiry", "SCSI.Mandatory", "SCSI.ModeSense6", "SCSI.Prefetch10", "SCSI.Prefetch16", "SCSI.PreventAllow", "SCSI.Read6", "SCSI.Read10", "SCSI.Read12", "SCSI.Read16",
  "SCSI.ReadCapacity10", "SCSI.ReadCapacity16", "SCSI.ReadOnly", "SCSI.ReportSupportedOpcodes", "SCSI.StartStopUnit",
  "SCSI.TestUnitReady", "SCSI.Unmap", "SCSI.Verify10", "SCSI.Verify12", "SCSI.Verify16", "SCSI.Write10", "SCSI.Write12", "SCSI.Write16",
  "SCSI.WriteSame10", "SCSI.WriteSame16", "SCSI.WriteVerify10", "SCSI.WriteVerify12", "SCSI.WriteVerify16",
  "iSCSI.iSCSIcmdsn", "iSCSI.iSCSIResiduals", "iSCSI.iSCSIdatasn", "iSCSI.iSCSITMF",
];

let fixture: Fixture;
let directory: string;
beforeAll(async () => {
  fixture = await startTarget();
  directory = await mkdtemp(join(tmpdir(), "iscsi-tools-"));
  for (const name of TEST_NAMES) fixture.access.add({ name, chap: null }, name, [[0, unit(fixture.volume)]]);
  fixture.access.add(
    { name: "proved", chap: { user: "joe", secret: "a long secret" }, mutualChap: { user: "array", secret: "another secret" } },
    "iqn.2026-01.com.example:proved",
    [[0, unit(fixture.volume)]],
  );
  // Tools visit every portal that they find.
  fixture.access.portalList = fixture.access.portalList.slice(0, 1);
});
afterAll(async () => {
  await fixture.stop();
  await rm(directory, { recursive: true });
});

async function run(...command: string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe", timeout: 60_000 });
  const [out, error, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { code, output: out + error };
}

const url = (path = "", user = ""): string => `iscsi://${user}127.0.0.1:${fixture.port}${path}`;
const qemuImage = (): string => `driver=iscsi,transport=tcp,portal=127.0.0.1:${fixture.port},target=${TARGET},lun=0,initiator-name=${INITIATOR}`;

test("libiscsi discovers the target, logs in and reads its size", async () => {
  const list = await run("iscsi-ls", "-i", INITIATOR, "-s", url());
  expect(list.output).toContain(`Target:${TARGET} Portal:127.0.0.1:${fixture.port},1`);
  expect(list.output).toContain("Lun:0");
  const size = await run("iscsi-readcapacity16", "-i", INITIATOR, url(`/${TARGET}/0`));
  expect(size.output).toContain("Total size:67108864");
});

test("libiscsi with CHAP is let in with the right secret, and proves the target with mutual CHAP", async () => {
  const attempt = (user: string, path = `/${TARGET}/0`): Promise<{ code: number; output: string }> =>
    run("iscsi-readcapacity16", "-i", "iqn.2026-01.com.example:proved", url(path, user));
  expect((await attempt("joe%a long secret@")).output).toContain("Total size:67108864");
  expect((await attempt("joe%wrong@")).output).toContain("Authentication failure");
  expect((await attempt("")).output).toContain("Authentication failure");
  const mutual = `/${TARGET}/0?target_user=array&target_password=`;
  expect((await attempt("joe%a long secret@", `${mutual}another secret`)).output).toContain("Total size:67108864");
  expect((await attempt("joe%a long secret@", `${mutual}not ours`)).output).not.toContain("Total size");
});

test("an image copied by qemu to the volume and back is the same, with and without digests", async () => {
  const source = join(directory, "source.raw");
  const bytes = Buffer.alloc(67108864);
  for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32BE((at * 2654435761) >>> 0, at + ((at >> 12) % 4000));
  await Bun.write(source, bytes);
  for (const digest of ["none", "crc32c"]) {
    const image = `${qemuImage()},header-digest=${digest}`;
    const back = join(directory, `${digest}.raw`);
    expect(await run("qemu-img", "convert", "-n", "--target-image-opts", "-f", "raw", source, image)).toEqual({ code: 0, output: "" });
    expect(await run("qemu-img", "convert", "--image-opts", "-O", "raw", image, back)).toEqual({ code: 0, output: "" });
    expect(Buffer.from(await Bun.file(back).arrayBuffer()).equals(bytes)).toBe(true);
    await fixture.volume.unmap(0, fixture.volume.sizeLbas);
  }
}, 60_000);

test("qemu writes, discards, zeroes and flushes", async () => {
  const commands = ["write -P 171 4k 1M", "read -P 171 4k 1M", "discard 4k 64k", "read -P 0 4k 64k", "write -z 128k 64k", "read -P 0 128k 64k", "flush", "read -P 171 200k 64k"];
  const result = await run("qemu-io", "--image-opts", qemuImage(), ...commands.flatMap((command) => ["-c", command]));
  expect(result.code).toBe(0);
  expect(result.output).not.toMatch(/fail|differ/i);
});

for (const suite of SUITES) {
  test(`libiscsi's conformance tests pass: ${suite}`, async () => {
    const result = await run("iscsi-test-cu", "--dataloss", "--normal", `--test=${suite}`, url(`/${TARGET}/0`));
    expect(result.output).not.toContain("had failures");
    expect(result.output).toMatch(/tests +\d+ +\d+ +\d+ +0 +0/);
  }, 60_000);
}
