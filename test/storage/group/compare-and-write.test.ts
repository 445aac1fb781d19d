import { describe, expect, test } from "bun:test";
import type { CommandResult } from "../../../src/wire/messages.ts";
import { SimulatedGateway, type Place } from "../../simulator/gateway.ts";
import { FORGETS_ALL, keep } from "./recovery-stage.ts";
import { Stage } from "./stage.ts";

interface Compared {
  value: number;
  result: CommandResult | null;
  offset: number | undefined;
}
function compare(gateway: SimulatedGateway, place: Place, expected: number): Compared {
  const begun: Compared = { value: 0, result: null, offset: undefined };
  begun.value = gateway.compareAndWrite(place, expected, (result, offset) => Object.assign(begun, { result, offset }));
  return begun;
}
function portalsOf(stage: Stage, count: number): SimulatedGateway[] {
  return Array.from({ length: count }, (_, i) => new SimulatedGateway(stage.cluster, `p${i}`, 20 + i));
}
function read(stage: Stage, gateway: SimulatedGateway, place: Place): readonly number[] {
  let values: readonly number[] | null = null;
  gateway.read(place, (found) => (values = found));
  stage.until(() => values !== null);
  return values as unknown as readonly number[];
}

describe("COMPARE AND WRITE", () => {
  test("of one block through many portals at once is won by exactly one, also where nothing was ever written", () => {
    const stage = new Stage();
    const portals = portalsOf(stage, 5);
    const place = { ...stage.place(0), sector: 3, sectors: 1 };
    const rivals = portals.map((portal) => compare(portal, place, 0));
    stage.until(() => rivals.every(({ result }) => result !== null));
    expect(rivals.map(({ result }) => result).sort()).toEqual(["done", "miscompare", "miscompare", "miscompare", "miscompare"]);
    const winner = rivals.find(({ result }) => result === "done");
    expect(read(stage, portals[0] as SimulatedGateway, place)).toEqual([0, 0, 0, winner?.value ?? 0, 0, 0, 0, 0]);
    stage.whole();
  });

  test("tells the first byte that is not as expected and changes nothing then", () => {
    const stage = new Stage();
    const [portal] = portalsOf(stage, 1) as [SimulatedGateway];
    const place = { ...stage.place(4), sector: 35, sectors: 11 };
    const first = compare(portal, place, 0);
    stage.until(() => first.result === "done");
    let written = 0;
    const last = { ...place, sector: 45, sectors: 1 };
    const value = portal.write(last, () => (written += 1));
    stage.until(() => written === 1);
    const second = compare(portal, place, first.value);
    stage.until(() => second.result !== null);
    expect(second.result).toBe("miscompare");
    expect(Math.floor((second.offset ?? 0) / 512)).toBe(10);
    expect(read(stage, portal, last)[5]).toBe(value);
    expect(stage.image("b").operations.get(portal.instance)?.size).toBe(1);
    stage.whole();
  });

  test("X18: whose answer was lost is answered as won by one that was a learner then, and knows it from no log", () => {
    const stage = new Stage();
    const [portal] = portalsOf(stage, 1) as [SimulatedGateway];
    keep(stage, FORGETS_ALL);
    stage.cluster.kill("b");
    stage.until(() => stage.members().join() === "a");
    // Its channel is open, and it knows the primary's clock.
    expect(read(stage, portal, stage.place(0))[0]).toBe(0);
    stage.pass(1000);
    stage.cluster.block("s1", "p0");
    const begun = compare(portal, { ...stage.place(0), sectors: 1 }, 0);
    const entryOf = (name: string): boolean => stage.image(name).log.entries.some(({ gateway, first }) => gateway === portal.instance && first === 0);
    stage.until(() => entryOf("a"), 2000);
    // What others write meanwhile takes it out of the log.
    const other = new SimulatedGateway(stage.cluster, "o", 8);
    for (let block = 100; block < 110; block += 1) {
      let written = false;
      other.write(stage.place(block), () => (written = true));
      stage.until(() => written);
      stage.pass(300);
    }
    stage.until(() => !entryOf("a"), 20_000);
    stage.cluster.start("b");
    stage.until(() => stage.members().join() === "a,b");
    expect(entryOf("b")).toBe(false);
    expect(begun.result).toBeNull();
    stage.cluster.kill("a", true);
    stage.until(() => begun.result !== null);
    expect(stage.serving()).toEqual(["b"]);
    expect(begun.result).toBe("done");
    expect(read(stage, portal, stage.place(0))[0]).toBe(begun.value);
  });

  test("X18: whose answer was lost with its primary is answered as won by the next one, and runs once", () => {
    const stage = new Stage();
    const [portal] = portalsOf(stage, 1) as [SimulatedGateway];
    const { network } = stage.cluster;
    network.cuts = (message) => {
      if (message.type !== "done") return false;
      network.cuts = () => false;
      stage.cluster.time.soon(() => stage.cluster.kill("a", true));
      return true;
    };
    const begun = compare(portal, { ...stage.place(0), sectors: 1 }, 0);
    stage.until(() => begun.result !== null);
    expect(stage.serving()).toEqual(["b"]);
    expect(begun.result).toBe("done");
    expect(read(stage, portal, stage.place(0))[0]).toBe(begun.value);
    stage.cluster.start("a");
    stage.whole();
  });

  test("tells nothing of the content once another may have taken over", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    const [portal] = portalsOf(stage, 1) as [SimulatedGateway];
    const probe = compare(portal, { ...stage.place(9), sectors: 1 }, 0);
    stage.until(() => probe.result === "done");
    // b, which holds the promise, is not heard any more.
    stage.cluster.isolate("s1");
    stage.cluster.host("a").running?.client.setReachable(false);
    stage.pass(2_500);
    const begun = compare(portal, { ...stage.place(0), sectors: 1 }, 0);
    stage.pass(300);
    expect(begun.result).toBeNull();
    stage.cluster.network.unblockAll();
    stage.cluster.host("a").running?.client.setReachable(true);
    stage.until(() => begun.result !== null);
    expect(begun.result).toBe("miscompare");
    stage.whole();
  });
});
