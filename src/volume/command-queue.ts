import type { Command } from "./command.ts";

/** Taken commands are let go of one by one, and the list is made shorter when so many have gone. */
const GONE_MAX = 1024;

/** Commands in order of arrival; taking the first costs the same however many there are. */
export class CommandQueue {
  #commands: (Command | null)[] = [];
  #head = 0;

  get length(): number {
    return this.#commands.length - this.#head;
  }
  get first(): Command | null {
    return this.#commands[this.#head] ?? null;
  }
  push(command: Command): void {
    this.#commands.push(command);
  }
  shift(): void {
    this.#commands[this.#head++] = null;
    if (this.#head === this.#commands.length) this.clear();
    else if (this.#head > GONE_MAX) {
      this.#commands.splice(0, this.#head);
      this.#head = 0;
    }
  }
  clear(): void {
    this.#commands.length = 0;
    this.#head = 0;
  }
  /** The cluster is read-only: what is cut already is answered when its pieces are. */
  refuseWrites(): void {
    for (const command of this) {
      if (command.kind === "read") continue;
      if (command.outstanding === 0) command.finish("read-only");
      else command.error ??= "read-only";
    }
  }
  *[Symbol.iterator](): Iterator<Command> {
    for (let at = this.#head; at < this.#commands.length; at += 1) yield this.#commands[at] as Command;
  }
}
