import type { LocalPowerBody, LocalStarted } from "../management/api/local.ts";
import type { StatusAnswer } from "../management/api.ts";
import { Problem } from "../management/problem.ts";
import { systemRunner } from "../network/command-runner.ts";
import type { Appliance } from "./appliance.ts";
import type { Known } from "./known.ts";

export type Power = "restart" | "power-off";

/** Restarts this machine or switches it off, in order. Without `confirm` only says what it would cost, as a `Problem`. */
export async function power(appliance: Appliance, known: Known, what: Power, { confirm }: LocalPowerBody): Promise<LocalStarted> {
  const { running, options: { platform } } = appliance;
  if (confirm !== true) throw new Problem("not-possible", costOf(what, running?.config.name ?? null, running === null ? undefined : await known.status(running)));
  platform.log.warn(what === "restart" ? "This machine restarts: somebody asked for it on its console" : "This machine is switched off: somebody asked for it on its console");
  const ran = await systemRunner(["systemctl", "--no-block", what === "restart" ? "reboot" : "poweroff"]);
  if (ran.code !== 0) throw new Problem("not-possible", `This machine could not be ${what === "restart" ? "restarted" : "switched off"}: ${ran.stderr.trim() || "systemctl is not there"}.`);
  return { started: true };
}

/** What happens to the cluster when this server goes. */
export function costOf(what: Power, name: string | null, status: StatusAnswer | undefined): string {
  const verb = what === "restart" ? "Restarting" : "Switching off";
  if (name === null) return `This server belongs to no cluster yet: ${what === "restart" ? "restarting" : "switching"} it ${what === "restart" ? "" : "off "}costs nothing. Confirm it.`;
  if (status === undefined) return `${verb} ${name} may make data unavailable: this server does not know how the cluster is. Confirm it only if you do.`;
  const others = status.servers.filter((server) => server.name !== name);
  if (others.length === 0) return `${verb} ${name} makes all data unavailable until it is back: it is the cluster's only server. Confirm it.`;
  const upCount = others.filter(({ up }) => up).length;
  if (status.health.state !== "healthy") return `The cluster is not healthy (${status.health.sentence}) ${verb} ${name} now may make data unavailable until it is back. Wait until the cluster is healthy, or confirm it.`;
  if (upCount * 2 <= others.length) return `${verb} ${name} leaves ${upCount} of ${status.servers.length} servers: the cluster would stop until it is back. Confirm it.`;
  return `${verb} ${name}: hosts go on through the other ${upCount} servers, and what is written meanwhile is one copy short until ${name} is back. Confirm it.`;
}
