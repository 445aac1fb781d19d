import type { DriveDetailAnswer, DrivesAnswer } from "../../src/management/api.ts";
import type { RecoveryAnswer, ServersAnswer } from "../../src/management/api/servers.ts";
import type { TrialUnderTest } from "./trial-under-test.ts";

const WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 500;
/** The monitor looks each second: what does not move for longer has come to rest. */
const AT_REST_MS = 4_000;

export async function drivesOf(trial: TrialUnderTest, server: string): Promise<readonly DriveDetailAnswer[]> {
  return ((await trial.json("drive", "list")) as DrivesAnswer).drives.filter((drive) => drive.server === server);
}

/** Waits until every copy is where it is wished, for good. */
export async function atRest(trial: TrialUnderTest): Promise<void> {
  let sinceMs = performance.now();
  await until(trial, "at rest", async () => {
    const { groups } = (await trial.json("recovery")) as RecoveryAnswer;
    const { health } = await trial.status();
    if (groups > 0 || health.sentence.includes("data moves") || (health.state !== "healthy" && !health.sentence.includes("no group lacks a copy"))) sinceMs = performance.now();
    return performance.now() - sinceMs >= AT_REST_MS;
  });
}

/** Waits until a drive holds nothing; gives how many groups it was seen to have left, in order. */
export async function drained(trial: TrialUnderTest, id: string): Promise<readonly number[]> {
  const seen: number[] = [];
  await until(trial, `drive ${id} drained`, async () => {
    const drain = ((await trial.json("drive", "list")) as DrivesAnswer).drives.find((drive) => drive.id === id)?.drain;
    if (drain === null || drain === undefined) throw new Error(`drive ${id} is not being drained`);
    if (seen.at(-1) !== drain.groupsLeft) seen.push(drain.groupsLeft);
    return drain.groupsLeft === 0;
  });
  return seen;
}

export async function serverDrained(trial: TrialUnderTest, name: string): Promise<void> {
  await until(trial, `${name} drained`, async () => {
    const { servers } = (await trial.json("server", "list")) as ServersAnswer;
    return servers.find((server) => server.name === name)?.drain?.groupsLeft === 0;
  });
}

/** Waits until `isSo`. */
export async function until(trial: TrialUnderTest, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + WITHIN_MS;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`not ${what} in ${WITHIN_MS / 1000} s: ${JSON.stringify(await trial.status())}\n${trial.lastWords()}`);
    await Bun.sleep(LOOK_EVERY_MS);
  }
}
