import { TrialUnderTest } from "../scenarios/trial-under-test.ts";
import { LinuxGuest } from "./linux-guest.ts";
import { OpenIscsi } from "./linux-disks.ts";
import { chapStory } from "./linux-chap.ts";
import { pathStory } from "./linux-paths.ts";
import { diskStory } from "./linux-story.ts";

/** Kernel messages that a client must never see, whatever servers are lost, except those that a story forgives. */
const NEVER = /I\/O error|Buffer I\/O|EXT4-fs.*error|XFS.*(corrupt|error)|Medium Error|Hardware Error|Data Integrity|BUG:|WARNING:|hung task|digest error|iscsi.*protocol error/i;

/** The rest is in dist/linux-initiator/dmesg.log. */
const MESSAGES_SHOWN_MAX = 120;

const [kernel = "", initrd = ""] = process.argv.slice(2);
const begunMs = performance.now();
let passed = 0;
const failed: string[] = [];
const forgiven: RegExp[] = [];

async function step(name: string, run: () => Promise<string | void>): Promise<void> {
  const stepMs = performance.now();
  const seconds = (): string => `${((performance.now() - stepMs) / 1000).toFixed(1)} s`;
  try {
    const said = await run();
    passed++;
    console.log(`ok      ${name} (${seconds()})${said === undefined || said === "" ? "" : `\n          ${said.replaceAll("\n", "\n          ")}`}`);
  } catch (error) {
    failed.push(name);
    console.log(`FAILED  ${name} (${seconds()}): ${(error as Error).message}`);
    throw error;
  }
}

async function all(): Promise<void> {
  // The trial comes first: what ends this process early ends by way of its handlers, and the guest follows.
  const trial = await TrialUnderTest.make({ store: "sqlite", servers: 3, drives: 2 });
  let guest: LinuxGuest | null = null;
  try {
    const bootMs = performance.now();
    guest = await LinuxGuest.boot(kernel, initrd);
    console.log(`Linux ${guest.release}, booted in ${((performance.now() - bootMs) / 1000).toFixed(1)} s; ${await guest.must("iscsiadm --version")}`);
    const stage = { guest, trial, iscsi: new OpenIscsi(guest, trial.report.target), step, forgive: (messages: RegExp) => void forgiven.push(messages) };
    await pathStory(stage, await diskStory(stage));
    await chapStory(stage);
  } finally {
    if (guest !== null) await judgeMessages(guest);
    if (failed.length > 0) console.log(trial.lastWords());
    await guest?.stop();
    await trial.wipe();
  }
}

/** Shows what the guest's kernel had to say about disks and sessions, and fails for what it must never say. */
async function judgeMessages(guest: LinuxGuest): Promise<void> {
  const { out: messages } = await guest.run("dmesg").catch(() => ({ out: "" }));
  if (messages === "") failed.push("kernel messages (the client does not answer)");
  await Bun.write(`${import.meta.dir}/../../dist/linux-initiator/dmesg.log`, messages);
  const lines = messages.split("\n");
  console.log("kernel messages of the client, without its boot:");
  console.log(lines.filter((line) => /scsi|\bsd[a-z]|sd \d|EXT4|connection\d|session\d|multipath/.test(line)).slice(-MESSAGES_SHOWN_MAX).join("\n"));
  const bad = lines.filter((line) => NEVER.test(line) && !forgiven.some((one) => one.test(line)));
  if (bad.length === 0) return;
  failed.push("kernel messages");
  console.log(`FAILED  kernel messages:\n${bad.join("\n")}`);
}

try {
  await all();
} catch (error) {
  if (failed.length === 0) failed.push("set-up");
  console.log((error as Error).stack ?? String(error));
}
console.log(`Linux initiator: ${passed} passed, ${failed.length} failed in ${Math.round((performance.now() - begunMs) / 1000)} s${failed.length > 0 ? `: ${failed.join(", ")}` : ""}`);
process.exit(failed.length > 0 ? 1 : 0);
