import { ARRIVAL_TICK_MS } from "../../src/base/arrival.ts";
import { realClock } from "../../src/platform/clock.ts";
import { realCrypto } from "../../src/platform/crypto.ts";
import { realNetwork } from "../../src/platform/network.ts";
import type { Files, Log, Platform } from "../../src/platform/platform.ts";
import { realRandom } from "../../src/platform/random.ts";
import { IscsiTarget } from "../../src/iscsi/target.ts";
import { MemoryAccess, unit } from "./memory-access.ts";
import { MemoryVolume } from "./memory-volume.ts";

export const INITIATOR = "iqn.2026-01.com.example:host";

export interface Fixture {
  readonly target: IscsiTarget;
  readonly access: MemoryAccess;
  readonly volume: MemoryVolume;
  readonly port: number;
  /** Every log line: message and reason. */
  readonly lines: string[];
  /** Lets the target believe that so much time has gone by. */
  skip(ms: number): void;
  /** As `skip`, with nothing run meanwhile. */
  stall(ms: number): void;
  /** Waits until the target has looked at all connections twice. */
  ticks(): Promise<void>;
  stop(): Promise<void>;
}

/** A target on a free port of 127.0.0.1 with one known host and a volume of 64 MiB as LUN 0. */
export async function startTarget(sizeLbas = 131072): Promise<Fixture> {
  const lines: string[] = [];
  const log: Log = {
    debug: () => {},
    info: (message, fields) => void lines.push(`${message}: ${String(fields?.reason ?? "")}`),
    warn: (message) => void lines.push(message),
    error: (message) => void lines.push(message),
    child: () => log,
  };
  const clock = realClock();
  let skewMs = 0;
  let tickCount = 0;
  /** Of the arrivals' clock: runs it at once instead of later. */
  let tickArrivals = (): void => {};
  // The target's own rhythm, faster.
  const ordinary: Platform["clock"]["timer"] = (ms, run) => (ms === 1000 ? clock.timer(20, () => (tickCount++, run())) : clock.timer(ms, run));
  const platform: Platform = {
    clock: {
      nowMs: () => clock.nowMs() + skewMs,
      wallMs: () => clock.wallMs(),
      soon: (run) => clock.soon(run),
      timer: (ms, run) => {
        if (ms !== ARRIVAL_TICK_MS) return ordinary(ms, run);
        const timer = clock.timer(ms, run);
        tickArrivals = () => {
          timer.cancel();
          run();
        };
        return timer;
      },
    },
    random: realRandom(),
    network: realNetwork(),
    crypto: realCrypto(),
    files: {} as Files,
    log,
    fatal: (reason, detail) => {
      throw new Error(`fatal ${reason}: ${detail}`);
    },
  };
  const access = new MemoryAccess();
  const volume = new MemoryVolume(1, sizeLbas);
  access.add({ name: "host", chap: null }, INITIATOR, [[0, unit(volume)]]);
  const target = new IscsiTarget(platform, access, { address: "127.0.0.1", port: 0, groupTag: 1 });
  await target.start();
  const port = target.listeningPort;
  access.portalList = [
    { address: "127.0.0.1", port, groupTag: 1 },
    { address: "127.0.0.9", port: 3260, groupTag: 2 },
  ];
  return {
    target,
    access,
    volume,
    port,
    lines,
    skip: (ms) => {
      for (let left = ms; left > 0; left -= 1000) {
        skewMs += Math.min(left, 1000);
        tickArrivals();
      }
    },
    stall: (ms) => void (skewMs += ms),
    ticks: () => {
      const goal = tickCount + 2;
      return until(() => tickCount >= goal, "two ticks");
    },
    stop: async () => {
      volume.release();
      await target.stop();
    },
  };
}

/** Waits for something that will come about by itself. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await Bun.sleep(10);
  }
  throw new Error(`never came about: ${what}`);
}
