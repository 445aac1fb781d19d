import type { Command } from "commander";
import { realFiles } from "../platform/files.ts";
import { systemRunner } from "./command-runner.ts";
import { loadNetwork, saveNetwork, saveReport } from "./kept.ts";
import { describeNetwork, parseNetworkConfig } from "./model.ts";
import { networkdExecutor } from "./networkd.ts";
import { listAddresses, listPorts } from "./ports.ts";
import { networkPaths } from "./places.ts";
import { tryNetwork, type TryReport } from "./try.ts";

/** Longer than all steps together take when each waits as long as it may. */
const TRY_MS_MAX = 150_000;
const NETWORKD_DIRECTORY = "/run/systemd/network";

interface Places {
  readonly state: string;
  readonly run: string;
  readonly networkd: string;
}

/** `virtustor network ...`: for the appliance itself, at boot and from its console. */
export function registerNetworkCommands(program: Command): void {
  const network = program.command("network", { hidden: true }).description("this server's own network (on an appliance)");
  const command = (name: string, description: string): Command =>
    network.command(name).description(description)
      .option("--state <directory>", "the state partition", "/state")
      .option("--run <directory>", "state of this run of the machine", "/run/virtustor")
      .option("--networkd <directory>", "where systemd-networkd looks", NETWORKD_DIRECTORY);
  command("apply", "make the network what is kept; DHCP on each port when nothing is").action(applyKept);
  command("show", "print ports and addresses").action(async ({ state, run }: Places) => {
    const ports = await listPorts(systemRunner);
    const kept = loadNetwork(networkPaths(state, run).kept);
    const name = (mac: string): string | null => ports.find((port) => port.mac === mac)?.name ?? null;
    const lines = ports.map((port) => `${port.name}  ${port.mac}  ${port.driver}  link ${port.link}${port.speed === null ? "" : `, ${port.speed} Mbit/s`}, MTU ${port.mtu}`);
    const addresses = (await listAddresses(systemRunner)).map(({ device, address, prefix, dynamic }) => `${device}  ${address}/${prefix}${dynamic ? " by DHCP" : ""}`);
    process.stdout.write(`${[kept === null ? "nothing kept: DHCP on each port" : `kept: ${describeNetwork(kept, name)}`, ...lines, ...addresses].join("\n")}\n`);
  });
  command("try", "apply a configuration, test it, and keep it only when the test passes")
    .requiredOption("--file <file>", "the configuration")
    .option("--peer <address...>", "other servers of the cluster")
    .option("--expect-address <address>", "the address that this server must have")
    .action(tryFile);
}

/** A file that cannot be read must not leave the server without a network: it is told, and each port asks DHCP. */
async function applyKept({ state, run, networkd }: Places): Promise<void> {
  let kept = null;
  try {
    kept = loadNetwork(networkPaths(state, run).kept);
  } catch (error) {
    process.stderr.write(`virtustor: ${error instanceof Error ? error.message : String(error)}; until it is set again on the console each port asks DHCP\n`);
  }
  await networkdExecutor(networkd, systemRunner).apply(kept, true);
}

async function tryFile({ state, run, networkd, file, peer = [], expectAddress }: Places & { file: string; peer?: string[]; expectAddress?: string }): Promise<void> {
  const paths = networkPaths(state, run);
  const files = realFiles();
  await files.makeDirectory(run);
  const lock = await files.open(paths.lock, { write: true, create: true });
  if (!(await lock.lock())) throw new Error("another change of the network is under way: wait until it is done");
  const config = parseNetworkConfig(await Bun.file(file).json());
  const deadlineMs = performance.now() + TRY_MS_MAX;
  let told = false;
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => void (told = true));
  const report = await tryNetwork(
    {
      run: systemRunner,
      sleep: (ms) => Bun.sleep(ms),
      patience: 1,
      executor: networkdExecutor(networkd, systemRunner),
      save: (kept) => Promise.resolve(saveNetwork(paths.kept, kept)),
      report: (now: TryReport) => saveReport(paths.report, now),
      stopped: () => told || performance.now() > deadlineMs,
    },
    { config, previous: readKept(paths.kept), peers: peer, expectAddress: expectAddress ?? null },
  );
  await lock.close();
  if (report.problem !== null) throw new Error(report.problem);
  process.stdout.write(`kept; this server's address is ${report.address ?? "unknown"}\n`);
}

/** What cannot be read was not applied at boot either. */
function readKept(path: string): ReturnType<typeof loadNetwork> {
  try {
    return loadNetwork(path);
  } catch {
    return null;
  }
}
