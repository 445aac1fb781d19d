import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../../src/platform/clock.ts";
import { realFiles } from "../../src/platform/files.ts";
import { realNetwork } from "../../src/platform/network.ts";
import { clockContract } from "../contracts/clock.ts";
import { filesContract, type FilesUnderTest } from "../contracts/files.ts";
import { networkContract } from "../contracts/network.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function directoryIn(parent: string): Promise<{ directory: string; dispose(): Promise<void> }> {
  const directory = await mkdtemp(join(parent, "virtustor-platform-"));
  return { directory, dispose: () => rm(directory, { recursive: true, force: true }) };
}

clockContract("real clock", () => ({ clock: realClock(), advance: sleep }));

const onDisk = async (parent: string): Promise<FilesUnderTest> => ({ files: realFiles(), ...(await directoryIn(parent)) });
filesContract("real files", () => onDisk(tmpdir()));
filesContract("real files in memory", () => onDisk("/dev/shm"));

networkContract("TCP", async () => ({
  network: realNetwork(),
  endpoint: () => ({ address: "127.0.0.1", port: 0 }),
  settle: () => sleep(2),
  dispose: async () => {},
}));

networkContract("Unix sockets", async () => {
  const { directory, dispose } = await directoryIn(tmpdir());
  let made = 0;
  return { network: realNetwork(), endpoint: () => ({ path: join(directory, `${made++}.sock`) }), settle: () => sleep(2), dispose };
});
