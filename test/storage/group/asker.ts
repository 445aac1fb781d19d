import type { Epoch, Instance } from "../../../src/base/ids.ts";
import type { Channel, CommandResult, Message, Read } from "../../../src/wire/messages.ts";
import { valueOf, type Place } from "../../simulator/gateway.ts";
import type { Stage } from "./stage.ts";

export interface Answer {
  result: CommandResult | null;
  /** Of the first sector; null without content. */
  value: number | null;
}

/** A gateway whose map is old: it asks one drive and no other, over a channel that is open already. */
export class Asker {
  readonly #stage: Stage;
  readonly #drive: string;
  readonly #answers = new Map<number, { answer: Answer; place: Place }>();
  #channel: Channel | null = null;
  #tag = 0;

  constructor(stage: Stage, drive: string, server = "o") {
    this.#stage = stage;
    this.#drive = drive;
    const process = stage.cluster.process("asker", server);
    void stage.cluster.network
      .dialer(process, server, { kind: "gateway", id: "9", instance: 9 as Instance })
      .dial({ driveId: stage.cluster.host(drive).id, address: "", port: 1 }, () => ({ message: (message) => this.#heard(message), closed: () => (this.#channel = null) }))
      .then((channel) => (this.#channel = channel));
    stage.until(() => this.#channel !== null, 5000);
  }

  /** What comes of a read is in the result as soon as it is answered. */
  read(place: Place): Answer {
    const answer: Answer = { result: null, value: null };
    const { volume, extent } = place;
    const range = { volume, lineage: volume, layer: 0, extent, first: place.sector / 8, count: 1 } as unknown as Read["range"];
    if (!this.#channel) throw new Error(`the channel to ${this.#drive} has ended`);
    this.#tag += 1;
    this.#answers.set(this.#tag, { answer, place });
    this.#channel.send({ type: "read", group: this.#stage.group, epoch: 0 as Epoch, tag: this.#tag, range });
    return answer;
  }

  #heard(message: Message): void {
    if (message.type !== "read-done") return;
    const asked = this.#answers.get(message.tag);
    if (!asked) return;
    asked.answer.result = message.result;
    if (message.data.length > 0) asked.answer.value = valueOf(message.data.subarray(0, 512), asked.place.extent, asked.place.sector);
  }
}
