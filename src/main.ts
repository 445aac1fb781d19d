import { resolve } from "node:path";
import { Command } from "commander";
import type { InstallOptions } from "./installer/main.ts";
import { VERSION } from "./base/version.ts";

/** Commands that processes give each other; they load nothing that is for people. */
const OWN_COMMANDS = ["server", "store", "role", "inside"];

interface ServerOptions {
  readonly config?: string;
  readonly state?: string;
  readonly socket: string;
  readonly address: string;
  readonly portBase?: number;
  readonly allowLoops: boolean;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`"${text}" is not a whole number`);
  return Number(text);
}

async function program(argv: readonly string[]): Promise<Command> {
  const top = new Command("virtustor").description("Replicated block storage for three or more servers, presented over iSCSI").version(VERSION);
  // Wrong usage is one line, said as every other failure is.
  top.showSuggestionAfterError(false).configureOutput({ outputError: (text, write) => write(`virtustor: ${text.replace(/^error: /, "")}`) });
  top
    .command("server")
    .description("run one server: all its roles, supervised")
    .option("--config <file>", "its configuration")
    .option("--state <directory>", "its state; without a configuration in it the server is set up over its local socket")
    .option("--socket <path>", "the local socket (with --state)", "/run/virtustor/local.sock")
    .option("--address <address>", "where a server that is not set up says so (with --state)", "0.0.0.0")
    .option("--port-base <port>", "all ports lie in the 50 from here (with --state; default: an appliance's)", wholeNumber)
    .option("--allow-loops", "offer loop devices as drives, too (with --state)", false)
    .action(async (chosen: ServerOptions) => {
      const { runServerProcess, runStateProcess } = await import("./server/main.ts");
      if ((chosen.config === undefined) === (chosen.state === undefined)) throw new Error("give either --config FILE or --state DIRECTORY");
      if (chosen.config !== undefined) return await runServerProcess(resolve(chosen.config));
      const { state = "", socket, address, portBase, allowLoops } = chosen;
      await runStateProcess({ directory: resolve(state), socket: resolve(socket), address, portBase: portBase ?? null, allowLoops });
    });
  top
    .command("store")
    .description("run the embedded cluster store of a cluster that is all on one machine")
    .requiredOption("--dir <directory>", "where its database lies")
    .requiredOption("--socket <path>", "the Unix socket it serves")
    .action(async ({ dir, socket }: { dir: string; socket: string }) => (await import("./server/main.ts")).runStoreProcess(resolve(dir), resolve(socket)));
  top
    .command("role <name>", { hidden: true })
    .requiredOption("--config <file>")
    .option("--drive <index>", "", wholeNumber)
    .action(async (name: string, { config, drive }: { config: string; drive?: number }) => {
      const { ROLE_NAMES, runRoleProcess } = await import("./role/run.ts");
      const role = ROLE_NAMES.find((known) => known === name);
      if (role === undefined) throw new Error(`there is no role ${name}; there are ${ROLE_NAMES.join(", ")}`);
      await runRoleProcess(role, { configFile: resolve(config), drive: drive ?? null });
    });
  top
    .command("install")
    .description("make a drive of this machine the system drive of a server (on the installation medium); asks, or with --device does not")
    .option("--device <path>", "the drive, such as /dev/sda: installs without asking")
    .option("--confirm <serial>", "with --device: the drive's serial number, or its device name when it states none")
    .option("--keep-state", "with --device: keep the state of the VirtuStor system on it", false)
    .option("--erase-virtustor", "with --device: erase it although copies of volumes or the state of a server are on it", false)
    .option("--source <directory>", "with --device: the files to install, instead of those on the installation medium")
    .option("--reboot", "with --device: restart afterwards", false)
    .option("--json", "with --device: one JSON object a line", false)
    .action(async (options: InstallOptions) => {
      process.exitCode = await (await import("./installer/main.ts")).runInstaller(options);
    });
  if (argv[0] === "network") (await import("./network/commands.ts")).registerNetworkCommands(top);
  if (argv[0] === "console") {
    (await import("./console/commands.ts")).registerConsoleCommand(top);
    // On the installation medium the installer comes first, until somebody chooses to look around without installing.
    top.hook("preAction", async () => {
      if ((await (await import("./platform/live.ts")).liveMode()) === "install") await (await import("./installer/main.ts")).showInstaller();
    });
  }
  if (argv[0] === "inside") (await import("./trial.ts")).registerInsideCommands(top);
  // "server" runs one, "server list" and others ask the cluster about all of them.
  const own = OWN_COMMANDS.includes(argv[0] ?? "") && !(argv[0] === "server" && argv[1]?.startsWith("-") === false);
  if (!own) {
    (await import("./trial.ts")).registerTrialCommands(top);
    (await import("./cli/commands.ts")).registerCliCommands(top);
  }
  return top;
}

try {
  const argv = process.argv.slice(2);
  await (await program(argv)).parseAsync(argv, { from: "user" });
} catch (error) {
  process.stderr.write(`virtustor: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
