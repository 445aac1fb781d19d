import { ClusterMap } from "../../../src/cluster/map.ts";
import { lossPlan, lossTransactions, type LossPlan } from "../../../src/cluster/accept-loss.ts";
import type { DriveId } from "../../../src/base/ids.ts";
import type { GroupConfig } from "../../../src/cluster/schema.ts";
import type { CommandResult } from "../../../src/wire/messages.ts";
import { SimulatedGateway, type Place } from "../../simulator/gateway.ts";
import { Stage } from "./stage.ts";

/** A stage on which an administrator gives data up; what is read after that is not compared with what was written before. */
export class LossStage extends Stage {
  #nonce = 1_000_000;
  #audits = 0;
  #later: SimulatedGateway | null = null;

  /** A gateway that remembers nothing of before the loss. */
  get later(): SimulatedGateway {
    return (this.#later ??= new SimulatedGateway(this.cluster, "g", 2));
  }
  map(): ClusterMap {
    const map = new ClusterMap();
    const entries = this.cluster.store.list("");
    map.snapshot(entries, this.cluster.store.revision, this.cluster.store.storeId);
    return map;
  }
  ids(names: readonly string[]): Set<DriveId> {
    return new Set(names.map((name) => this.cluster.host(name).id));
  }
  plan(names: readonly string[]): LossPlan {
    return lossPlan(this.map(), this.ids(names), 1);
  }
  /** As management does it; gives the plan that was carried out. */
  accept(...names: string[]): LossPlan {
    const map = this.map();
    const named = this.ids(names);
    const plan = lossPlan(map, named, 1);
    const number = (this.#audits += 1);
    const transactions = lossTransactions(map, plan, named, { nonce: () => (this.#nonce += 1), fence: { id: number, record: { what: "accept-loss", atMs: 1 } }, audit: { record: { number, atMs: 1, from: "test", what: "" }, forget: [] } });
    this.cluster.note(`the loss of ${names.join(" ")} is accepted`);
    for (const transaction of transactions) if (this.cluster.store.apply(transaction).outcome !== "success") this.cluster.fail("accept-loss was refused");
    return plan;
  }
  /** The registration of drives that are gone has run out, and whoever holds a copy has told of it. */
  told(): void {
    this.pass(12_000);
  }
  readNow(place: Place): { values: readonly number[]; result: CommandResult } {
    let found: { values: readonly number[]; result: CommandResult } | null = null;
    this.later.read(place, (values, result) => (found = { values, result }));
    this.until(() => found !== null);
    return found as unknown as { values: readonly number[]; result: CommandResult };
  }
  writeNow(place: Place): { value: number; result: CommandResult } {
    let result: CommandResult | null = null;
    const value = this.later.write(place, (answer) => (result = answer));
    this.until(() => result !== null);
    return { value, result: result as unknown as CommandResult };
  }
  unmapNow(place: Place): CommandResult {
    let result: CommandResult | null = null;
    this.later.unmap(place, (answer) => (result = answer));
    this.until(() => result !== null);
    return result as unknown as CommandResult;
  }
  /** Starts a drive that finds its copy damaged, durably; `config`: the last that it remembers, since it has lost what came after. */
  startDamaged(name: string, config?: GroupConfig): void {
    this.cluster.start(name);
    const drive = () => this.cluster.host(name).running?.drive;
    this.until(() => drive()?.images.has(this.group) === true);
    this.image(name).damaged = true;
    if (config) this.image(name).config = config;
    let saved = false;
    void drive()?.checkpointNow().then(() => (saved = true));
    this.until(() => saved);
  }
}
