import { systemRunner } from "../network/command-runner.ts";
import { isLive, LIVE_NOTICE } from "../platform/live.ts";
import { App } from "./app.tsx";
import { localServer } from "./local-server.ts";
import { realNetworkDoor } from "./network-door.ts";
import { runOnTerminal } from "./widgets/terminal.ts";

/** Runs until it is told to end or its terminal is gone; whoever started it starts it again. */
export async function runConsole({ socket, state, run, network }: { socket: string; state: string; run: string; network: boolean }): Promise<void> {
  if (!process.stdin.isTTY) throw new Error("the console needs a terminal");
  const terminal = runOnTerminal(
    <App
      server={localServer(socket)}
      network={realNetworkDoor({ managed: network, state, run })}
      power={(what) => void systemRunner(["systemctl", what === "restart" ? "reboot" : "poweroff"])}
    />,
    process.stdin,
    process.stdout,
    (await isLive()) ? LIVE_NOTICE : undefined,
  );
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => resolve());
    process.stdin.on("end", resolve);
    process.stdin.on("error", resolve);
    process.stdout.on("error", resolve);
  });
  terminal.close();
  process.exit(0);
}
