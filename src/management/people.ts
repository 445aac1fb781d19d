import { parseValue } from "../cluster/schema.ts";
import { userRecord, type UserRecord } from "../cluster/users.ts";
import type { Change, Versioned } from "../platform/store.ts";

/** This server's copy of the users and of the sessions that were ended early, fed by a watch. */
export class People {
  readonly users = new Map<string, UserRecord>();
  readonly ended = new Set<string>();

  snapshot(entries: readonly Versioned[]): void {
    this.users.clear();
    this.ended.clear();
    this.changed(entries);
  }

  changed(changes: readonly Pick<Change, "key" | "value">[]): void {
    for (const { key, value } of changes) {
      if (key.startsWith("user/")) this.#user(key, value);
      else if (!key.startsWith("session-ended/")) continue;
      else if (value === null) this.ended.delete(key.slice("session-ended/".length));
      else this.ended.add(key.slice("session-ended/".length));
    }
  }

  /** A record that cannot be read lets nobody in. */
  #user(key: string, value: string | null): void {
    this.users.delete(key.slice("user/".length));
    if (value === null) return;
    try {
      const user = parseValue(userRecord, key, value);
      this.users.set(user.name, user);
    } catch {
      // Login reads the store itself, fails, and says so in the log.
    }
  }
}
