import type { Command } from "commander";

interface Options {
  readonly socket: string;
  readonly state: string;
  readonly run: string;
  readonly network: boolean;
}

/** `virtustor console`: on tty1 and on a serial line of an appliance. */
export function registerConsoleCommand(program: Command): void {
  program
    .command("console")
    .description("the console of this machine's server: first set-up, then status; on the terminal that it is started on")
    .option("--socket <path>", "the server's local socket", "/run/virtustor/local.sock")
    .option("--state <directory>", "the state partition", "/state")
    .option("--run <directory>", "state of this run of the machine", "/run/virtustor")
    .option("--no-network", "leave this machine's network alone, and choose among its addresses")
    .action(async (options: Options) => {
      // Before Ink is loaded, which decides once: the Linux console and serial terminals have colours, whatever the environment says.
      process.env["FORCE_COLOR"] = "1";
      await (await import("./main.tsx")).runConsole(options);
    });
}
