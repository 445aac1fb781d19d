import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { syncDirectory, writeDurably } from "./durable.ts";

/**
 * setup.json in a server's directory: what the administrator has decided, and which steps of it are done. Written before the first step
 * and after each, so that a server whose power was cut goes on where it was. Gone when the server is formed. It holds no secret but a
 * password's hash.
 */
const text = v.pipe(v.string(), v.minLength(1));
const hex32 = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));

const drive = v.object({
  /** The device or directory that the administrator has named. */
  place: text,
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  /** Once it is formatted: where, and the filesystem to mount there. */
  formed: v.nullable(v.object({ directory: text, filesystem: v.optional(text) })),
});
export type PlannedDrive = v.InferOutput<typeof drive>;

const common = { clusterId: hex32, clusterName: text, serverName: text, address: text, portalGroupTag: v.number(), drives: v.array(drive) };
const createPlan = v.object({
  kind: v.literal("create"),
  ...common,
  formedAtMs: v.number(),
  evaluation: v.boolean(),
  loneSurvivor: v.picklist(["confirm", "auto"]),
  /** argon2id, of the first user's password. */
  passwordHash: text,
});
const joinPlan = v.object({
  kind: v.literal("join"),
  ...common,
  incarnation: v.number(),
  /** Client addresses of the store's members. */
  endpoints: v.pipe(v.array(text), v.minLength(1)),
  /** etcd's --initial-cluster once this server's member was added; null while it was not, or when the store has members enough. */
  initialCluster: v.nullable(text),
});
export type CreatePlan = v.InferOutput<typeof createPlan>;
export type JoinPlan = v.InferOutput<typeof joinPlan>;
export type Plan = CreatePlan | JoinPlan;

const setupFile = v.object({
  version: v.literal(1),
  /** Of this server while it joins: by it the cluster knows it again. */
  id: hex32,
  /** null: nothing is decided yet. */
  plan: v.nullable(v.variant("kind", [createPlan, joinPlan])),
  /** Names of steps. */
  done: v.array(v.string()),
});
export type SetupRecord = v.InferOutput<typeof setupFile>;

export class SetupFile {
  readonly #path: string;
  #record: SetupRecord;

  private constructor(path: string, record: SetupRecord) {
    this.#path = path;
    this.#record = record;
  }

  /** `newId` gives 32 hexadecimal digits. Throws an Error that names the file when it cannot be read. */
  static open(directory: string, newId: () => string): SetupFile {
    const path = join(directory, "setup.json");
    if (!existsSync(path)) return new SetupFile(path, { version: 1, id: newId(), plan: null, done: [] });
    try {
      return new SetupFile(path, v.parse(setupFile, JSON.parse(readFileSync(path, "utf8"))));
    } catch (error) {
      throw new Error(`${path}, which says how far this server's setup has come, cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }

  get id(): string {
    return this.#record.id;
  }
  get plan(): Plan | null {
    return this.#record.plan;
  }
  isDone(step: string): boolean {
    return this.#record.done.includes(step);
  }

  begin(plan: Plan | null): void {
    this.#save({ ...this.#record, plan, done: [] });
  }
  change(plan: Plan): void {
    this.#save({ ...this.#record, plan });
  }
  finishStep(step: string): void {
    this.#save({ ...this.#record, done: [...this.#record.done, step] });
  }
  finish(): void {
    rmSync(this.#path, { force: true });
    syncDirectory(dirname(this.#path));
    this.#record = { ...this.#record, plan: null, done: [] };
  }

  #save(record: SetupRecord): void {
    writeDurably(this.#path, `${JSON.stringify(record, null, 1)}\n`);
    this.#record = record;
  }
}
