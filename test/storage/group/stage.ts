import { expect } from "bun:test";
import type { GroupId } from "../../../src/base/ids.ts";
import { groupId } from "../../../src/cluster/schema.ts";
import type { ReplicaImage } from "../../../src/storage/drive/image.ts";
import type { CommandResult } from "../../../src/wire/messages.ts";
import { SimulatedCluster } from "../../simulator/cluster.ts";
import { differences } from "../../simulator/contents.ts";
import { SimulatedGateway, type Place } from "../../simulator/gateway.ts";
import { History } from "../../simulator/history.ts";

/** A short story with one group on drives a, b (and c) of servers s1, s2, s3, and one gateway; everything is checked as it goes. */
export class Stage {
  readonly cluster: SimulatedCluster;
  readonly gateway: SimulatedGateway;
  readonly group: GroupId;
  /** The group's one volume. */
  readonly volume: number;

  constructor(factor: 1 | 2 = 1, drives: Readonly<Record<string, string>> = { a: "s1", b: "s2", c: "s3" }, seed = 1, capacityBytes: Readonly<Record<string, number>> = {}) {
    this.volume = factor;
    this.group = groupId(factor, 0);
    const wanted = ["a", "b", "c"].slice(0, factor + 1);
    this.cluster = new SimulatedCluster({ capacityBytes, seed, drives, groups: [{ factor, index: 0, wanted }], volumes: { 1: 1, 2: 2 }, verbose: process.env.VERBOSE !== undefined });
    this.gateway = new SimulatedGateway(this.cluster, "g", 1, new History());
    this.cluster.startAll();
    this.until(() => this.cluster.whole(), 30_000);
  }

  place(block: number, blocks = 1, extent = 0): Place {
    return { volume: this.volume, extent, sector: block * 8, sectors: blocks * 8 };
  }
  pass(ms: number): void {
    this.cluster.time.pass(ms);
  }
  /** Fails the test when it does not come to pass. */
  until(reached: () => boolean, maxMs = 60_000): void {
    if (!this.cluster.time.until(reached, maxMs)) throw new Error(`it does not come to pass in ${maxMs} ms:\n${this.cluster.lines.slice(-40).join("\n")}`);
  }
  /** Begins a write; the result tells what came of it so far. */
  begin(place: Place): { value: number; result: CommandResult | null } {
    const begun: { value: number; result: CommandResult | null } = { value: 0, result: null };
    begun.value = this.gateway.write(place, (result) => (begun.result = result));
    return begun;
  }
  /** Writes and waits until it is acknowledged; gives the value. */
  write(place: Place): number {
    const begun = this.begin(place);
    this.until(() => begun.result !== null);
    expect(begun.result).toBe("done");
    return begun.value;
  }
  unmap(place: Place): void {
    let answer: CommandResult | null = null;
    this.gateway.unmap(place, (result) => (answer = result));
    this.until(() => answer !== null);
    expect(answer as CommandResult | null).toBe("done");
  }
  read(place: Place): readonly number[] {
    let values: readonly number[] | null = null;
    this.gateway.read(place, (read) => (values = read));
    this.until(() => values !== null);
    return values as unknown as readonly number[];
  }
  image(name: string): ReplicaImage {
    const image = this.cluster.host(name).images.get(this.group);
    if (!image) throw new Error(`${name} has no replica`);
    return image;
  }
  serving(): string[] {
    return this.cluster.serving(this.group);
  }
  members(): string[] {
    return this.cluster.config(this.group).members.map((id) => this.cluster.nameOf(id)).sort();
  }
  /** Waits until the group is as its plan wants it, and finds all copies equal. */
  whole(): void {
    this.until(() => this.cluster.whole());
    this.pass(2000);
    expect(differences(this.cluster, this.group)).toEqual([]);
  }
  logged(text: string): string[] {
    return this.cluster.lines.filter((line) => line.includes(text));
  }
}
