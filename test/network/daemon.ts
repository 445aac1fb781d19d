import { mkdirSync, rmSync } from "node:fs";
import { systemRunner, type Runner } from "../../src/network/command-runner.ts";

/** A systemd-networkd of its own in a network namespace, with a /run of its own; it is told by `systemctl` commands of the runner. */
export interface Daemon {
  /** Where it looks for its files, as this process sees it. */
  readonly directory: string;
  /** Runs a program beside it; `systemctl is-active` and `restart` are about it. */
  readonly run: Runner;
  /** What to put before a program to run it beside the daemon. */
  readonly inside: readonly string[];
  /** What it said since its last start. */
  log(): Promise<string>;
  close(): Promise<void>;
}

const PROGRAM = "/lib/systemd/systemd-networkd";
/** A read-only /sys makes it go on without udev, as in a container. */
const WORLD = "mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/network && mount -o remount,ro /sys && exec sleep infinity";

export async function startDaemon(namespace: string): Promise<Daemon> {
  const keeper = Bun.spawn(["ip", "netns", "exec", namespace, "unshare", "--mount", "sh", "-c", WORLD], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const directory = `/proc/${keeper.pid}/root/run/systemd/network`;
  const inside = ["nsenter", "--target", String(keeper.pid), "--mount", "--net", "--"];
  const logFile = `/tmp/virtustor-networkd-${keeper.pid}.log`;
  let daemon: ReturnType<typeof Bun.spawn> | null = null;
  const end = async (): Promise<void> => {
    daemon?.kill("SIGTERM");
    await daemon?.exited;
  };
  const start = async (): Promise<void> => {
    await end();
    rmSync(logFile, { force: true });
    daemon = Bun.spawn([...inside, PROGRAM], { stdin: "ignore", stdout: "ignore", stderr: Bun.file(logFile), env: { ...process.env, SYSTEMD_LOG_LEVEL: "info", SYSTEMD_LOG_TARGET: "console" } });
  };
  const run: Runner = async (argv) => {
    if (argv[0] !== "systemctl") return systemRunner([...inside, ...argv]);
    if (argv[1] === "restart") await start();
    return { code: 0, stdout: "", stderr: "" };
  };
  for (let tries = 0; (await systemRunner([...inside, "test", "-w", "/run/systemd/network", "-a", "!", "-w", "/sys"])).code !== 0; tries++) {
    if (tries > 500) throw new Error("no namespaces for systemd-networkd");
    await Bun.sleep(10);
  }
  mkdirSync(directory, { recursive: true });
  return {
    directory,
    run,
    inside,
    log: () => Bun.file(logFile).text().catch(() => ""),
    async close() {
      await end();
      keeper.kill("SIGKILL");
      await keeper.exited;
      rmSync(logFile, { force: true });
    },
  };
}
