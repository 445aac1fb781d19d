import type { TrialUnderTest } from "../scenarios/trial-under-test.ts";
import type { Credentials, OpenIscsi } from "./linux-disks.ts";
import type { LinuxGuest } from "./linux-guest.ts";

export const PLAIN = "iqn.2026-01.com.example:linux-plain";
export const WITH_CHAP = "iqn.2026-01.com.example:linux-chap";
export const CHAP: Credentials = { user: "linux", secret: "twelve-or-more-characters" };

/** What every story gets. */
export interface Stage {
  readonly guest: LinuxGuest;
  readonly trial: TrialUnderTest;
  readonly iscsi: OpenIscsi;
  /** Runs one step and says how it went; what it returns is said, too. The first that fails ends the run. */
  step(name: string, run: () => Promise<string | void>): Promise<void>;
  /** Kernel messages that are no failure, from here on and before. */
  forgive(messages: RegExp): void;
}
