import { index, integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Numbers begin again when the cluster store is restored from a backup, so that the time belongs to the key. */
export const events = sqliteTable(
  "events",
  {
    number: integer("number").notNull(),
    atMs: integer("at_ms").notNull(),
    what: text("what").notNull(),
    kind: text("kind").notNull(),
    severity: text("severity").notNull(),
    subject: text("subject").notNull(),
    sentence: text("sentence").notNull(),
    step: text("step").notNull(),
  },
  (table) => [primaryKey({ columns: [table.number, table.atMs] }), index("events_at").on(table.atMs)],
);

/** The newest that is known of each alert, as the record's JSON. */
export const alerts = sqliteTable(
  "alerts",
  { id: text("id").notNull(), raisedAtMs: integer("raised_at_ms").notNull(), record: text("record").notNull() },
  (table) => [primaryKey({ columns: [table.id, table.raisedAtMs] })],
);

export const audit = sqliteTable(
  "audit",
  { number: integer("number").notNull(), atMs: integer("at_ms").notNull(), record: text("record").notNull() },
  (table) => [primaryKey({ columns: [table.number, table.atMs] })],
);

/** Sums over the `spanMs` before `atMs`, of all portals. */
export const statistics = sqliteTable("statistics", {
  atMs: integer("at_ms").primaryKey(),
  spanMs: integer("span_ms").notNull(),
  readCommands: integer("read_commands").notNull(),
  writeCommands: integer("write_commands").notNull(),
  readBytes: integer("read_bytes").notNull(),
  writeBytes: integer("write_bytes").notNull(),
  readMicroseconds: real("read_microseconds").notNull(),
  writeMicroseconds: real("write_microseconds").notNull(),
});

/** What makes the tables, in order; PRAGMA user_version says how many have been applied. What was released is never changed here. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE events (number INTEGER NOT NULL, at_ms INTEGER NOT NULL, what TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL, subject TEXT NOT NULL, sentence TEXT NOT NULL, step TEXT NOT NULL, PRIMARY KEY (number, at_ms));
   CREATE INDEX events_at ON events (at_ms);
   CREATE TABLE alerts (id TEXT NOT NULL, raised_at_ms INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY (id, raised_at_ms));
   CREATE TABLE audit (number INTEGER NOT NULL, at_ms INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY (number, at_ms));
   CREATE TABLE statistics (at_ms INTEGER PRIMARY KEY, span_ms INTEGER NOT NULL, read_commands INTEGER NOT NULL, write_commands INTEGER NOT NULL, read_bytes INTEGER NOT NULL, write_bytes INTEGER NOT NULL, read_microseconds REAL NOT NULL, write_microseconds REAL NOT NULL);`,
];
