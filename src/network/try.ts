import { deviceName, type NetworkConfig } from "./model.ts";
import type { NetworkExecutor } from "./networkd.ts";
import { listAddresses, listPorts } from "./ports.ts";
import { probeAddress, probeAnswer, probeDuplicate, probeLink, type Probed, type ProbeWorld } from "./probe.ts";

export type TryStepName = "apply" | "link" | "free" | "address" | "answer" | "keep";
export interface TryStep {
  readonly name: TryStepName;
  readonly state: "waiting" | "running" | "done" | "failed";
}
/**
 *     trying -> kept            all steps passed, the configuration is durable
 *        \--> rolling-back -> rolled-back
 */
export interface TryReport {
  readonly phase: "trying" | "kept" | "rolling-back" | "rolled-back";
  readonly steps: readonly TryStep[];
  /** The address that the server has now, once it is known. */
  readonly address: string | null;
  readonly device: string | null;
  readonly warnings: readonly string[];
  /** Why it was not kept, and what to do. */
  readonly problem: string | null;
}

export interface TryOptions {
  readonly config: NetworkConfig;
  /** What is kept now, and comes back unless all steps pass. */
  readonly previous: NetworkConfig | null;
  /** Addresses of the cluster's other servers. */
  readonly peers: readonly string[];
  /** What this server's address must be, since the cluster knows it by that; null: it is in no cluster. */
  readonly expectAddress: string | null;
}
export interface TryWorld extends ProbeWorld {
  readonly executor: NetworkExecutor;
  /** Makes the configuration durable; it is kept from then on. */
  save(config: NetworkConfig): Promise<void>;
  report(report: TryReport): void;
  /** True when the try has to end: its time is over, or its process was told to. */
  stopped(): boolean;
}

class Refused extends Error {}

/**
 * Applies a configuration, tests it, and keeps it only when every step has passed; else what was there before is applied again.
 * Nothing durable changes before the last step, so a power cut at any instant leaves the network that was kept.
 */
export async function tryNetwork(world: TryWorld, options: TryOptions): Promise<TryReport> {
  const { config } = options;
  const names: TryStepName[] = ["apply", "link", ...(config.ipv4.kind === "static" ? ["free" as const] : []), "address", "answer", "keep"];
  let report: TryReport = { phase: "trying", steps: names.map((name) => ({ name, state: "waiting" })), address: null, device: null, warnings: [], problem: null };
  const tell = (change: Partial<TryReport>): void => world.report((report = { ...report, ...change }));
  const mark = (name: TryStepName, state: TryStep["state"]): void => tell({ steps: report.steps.map((step) => (step.name === name ? { name, state } : step)) });
  const goOn = (): void => {
    if (world.stopped()) throw new Refused("The try was ended before it was done: try again.");
  };
  // Whoever waits between two looks at the network hears there that it is over.
  const looking: ProbeWorld = { run: world.run, patience: world.patience, sleep: async (ms) => (await world.sleep(ms), goOn()) };
  const step = async <T>(name: TryStepName, work: () => Promise<Probed<T>>): Promise<T> => {
    goOn();
    mark(name, "running");
    const probed = await work();
    if (!probed.ok) {
      mark(name, "failed");
      throw new Refused(probed.sentence);
    }
    mark(name, "done");
    if (probed.warning !== undefined) tell({ warnings: [...report.warnings, probed.warning] });
    return probed.value;
  };
  const done = { ok: true, value: undefined } as const;

  try {
    const { ipv4 } = config;
    const ports = await listPorts(world.run);
    const device = deviceName(config, (mac) => ports.find((port) => port.mac === mac)?.name ?? null);
    if (device === null) throw new Refused("This server has no such network port: choose one that it has.");
    tell({ device });
    // Before this server takes an address, it asks whether somebody else has it. When it has it already, taking it away would cost more.
    const ours = ipv4.kind === "static" && (await listAddresses(world.run)).some(({ address }) => address === ipv4.address);
    await step("apply", async () => (await world.executor.apply(config, ipv4.kind === "dhcp" || ours), done));
    await step("link", () => probeLink(looking, config, device));
    if (ipv4.kind === "static") await step("free", () => probeDuplicate(looking, device, ipv4.address));
    const found = await step("address", async () => {
      await world.executor.apply(config, true);
      return probeAddress(looking, config, device);
    });
    tell({ address: found.address });
    if (options.expectAddress !== null && found.address !== options.expectAddress) {
      throw new Refused(`The cluster knows this server as ${options.expectAddress}, and it would be ${found.address}: keep the address, or remove this server from the cluster and join it again with the other one.`);
    }
    await step("answer", () => probeAnswer(looking, config, device, options.peers));
    await step("keep", async () => (await world.save(config), done));
    tell({ phase: "kept" });
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    tell({ phase: "rolling-back", problem, steps: report.steps.map((one) => (one.state === "running" ? { ...one, state: "failed" } : one)) });
    await rollBack(world, options.previous);
    tell({ phase: "rolled-back", address: null });
  }
  return report;
}

async function rollBack(world: TryWorld, previous: NetworkConfig | null): Promise<void> {
  try {
    await world.executor.apply(previous, true);
  } catch {
    // Its sentence says to restart; so does the screen after a try that was not kept. The boot makes it anew from what is kept.
  }
}
