import { auditLogRecord, type AuditLogRecord } from "./users.ts";
import { parseValue } from "./schema.ts";

const PREFIX = "audit-log/";

/** The newest changes by administrators as the store has them, kept by a watch. Pure; a record that cannot be read is left out. */
export class AuditMap {
  readonly records = new Map<string, AuditLogRecord>();

  snapshot(entries: readonly { readonly key: string; readonly value: string }[]): void {
    this.records.clear();
    this.changed(entries);
  }

  changed(changes: readonly { readonly key: string; readonly value: string | null }[]): void {
    for (const { key, value } of changes) {
      if (!key.startsWith(PREFIX)) continue;
      this.records.delete(key);
      if (value === null) continue;
      try {
        this.records.set(key, parseValue(auditLogRecord, key, value));
      } catch {
        // Told by status as an unreadable key would be; the history does without it.
      }
    }
  }
}
