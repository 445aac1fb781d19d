import * as v from "valibot";
import { BLOCK_BYTES } from "../base/geometry.ts";
import { RECREATE_MAX_MS, RECREATE_MIN_MS } from "../cluster/schema.ts";
import { HTTP_BODY_BYTES_MAX } from "../platform/http.ts";
import { CHAP_SECRET_CHARACTERS_MIN, CHAP_TEXT_CHARACTERS_MAX, NAME, NAME_RULE, initiatorName } from "./names.ts";
import { Problem } from "./problem.ts";

/** Above it the extent numbers and the hosts' partition tables still work, but nothing is tested. */
export const VOLUME_BYTES_MAX = 64 * 2 ** 40;
/** A host with more initiator names than this is a typing error; each takes a place in one store transaction. */
const HOST_IQNS_MAX = 32;

const printable = /^[\x20-\x7e]+$/;

function name(what: string) {
  const rule = `A ${what}'s name is ${NAME_RULE}.`;
  return v.pipe(v.string(rule), v.regex(NAME, rule));
}

const sizeBytes = v.pipe(
  v.number("The size is a number of bytes."),
  v.safeInteger("The size is a whole number of bytes."),
  v.minValue(BLOCK_BYTES, `The size must be more than 0, at least ${BLOCK_BYTES} bytes.`),
  v.maxValue(VOLUME_BYTES_MAX, "The size must be at most 64 TiB."),
  v.multipleOf(BLOCK_BYTES, `The size must be a multiple of ${BLOCK_BYTES} bytes.`),
);

export const volumeCreateBody = v.strictObject({
  name: name("volume"),
  sizeBytes,
  /** Without it: 1, in an evaluation 0. */
  factor: v.optional(v.picklist([0, 1, 2], "The replication factor is 1 (2 copies) or 2 (3 copies).")),
});

export const volumeChangeBody = v.strictObject({ sizeBytes });

export const scrubBody = v.strictObject({ deep: v.optional(v.boolean("deep is true or false."), false) });

const iqn = v.pipe(
  v.string("An initiator name is text."),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const known = initiatorName(dataset.value);
    if (known !== null) return known;
    addIssue({
      message:
        "An initiator name is iqn.YYYY-MM.REVERSED-DOMAIN[:ANYTHING], eui. and 16 hexadecimal digits, or naa. and 16 or 32 hexadecimal digits, at most 223 characters.",
    });
    return NEVER;
  }),
);

const secretRule = `A CHAP secret has ${CHAP_SECRET_CHARACTERS_MIN} to ${CHAP_TEXT_CHARACTERS_MAX} printable ASCII characters.`;
const chapUserRule = `A CHAP user has 1 to ${CHAP_TEXT_CHARACTERS_MAX} printable ASCII characters.`;

/** A cluster has no more servers than this. */
const SERVERS_MAX = 128;
export const loneBody = v.strictObject({
  servers: v.pipe(v.array(name("server")), v.minLength(1, "Name the servers that are lost."), v.maxLength(SERVERS_MAX, `At most ${SERVERS_MAX} servers.`)),
});
/** More drives than any server has, times its servers. */
const DRIVES_MAX = 1024;
export const acceptLossBody = v.strictObject({
  drives: v.optional(v.pipe(v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/, "A drive's id has 16 hexadecimal digits."))), v.maxLength(DRIVES_MAX, `At most ${DRIVES_MAX} drives.`)), []),
  servers: v.optional(v.pipe(v.array(name("server")), v.maxLength(SERVERS_MAX, `At most ${SERVERS_MAX} servers.`)), []),
  damaged: v.optional(v.boolean("damaged is true or false."), false),
  confirm: v.optional(v.string("confirm is the cluster's name.")),
  confirmDown: v.optional(v.array(name("server")), []),
});
function recreateAfter(name: string) {
  const rule = `${name} is a number of milliseconds from ${RECREATE_MIN_MS} (10 s, more than a restart takes) to ${RECREATE_MAX_MS} (a week).`;
  return v.optional(v.pipe(v.number(rule), v.safeInteger(rule), v.minValue(RECREATE_MIN_MS, rule), v.maxValue(RECREATE_MAX_MS, rule)));
}
export const settingsBody = v.strictObject({
  loneSurvivor: v.optional(v.picklist(["confirm", "auto"], "loneSurvivor is confirm or auto.")),
  strictReads: v.optional(v.boolean("strictReads is true or false.")),
  recreateDriveAfterMs: recreateAfter("recreateDriveAfterMs"),
  recreateServerAfterMs: recreateAfter("recreateServerAfterMs"),
});

const iqns = v.pipe(
  v.array(iqn, "The initiator names are a list."),
  v.minLength(1, "A host has at least one initiator name."),
  v.maxLength(HOST_IQNS_MAX, `A host has at most ${HOST_IQNS_MAX} initiator names.`),
  v.transform((names) => [...new Set(names)]),
);
const chap = v.strictObject({
  user: v.pipe(v.string(chapUserRule), v.regex(printable, chapUserRule), v.maxLength(CHAP_TEXT_CHARACTERS_MAX, chapUserRule)),
  secret: v.pipe(
    v.string(secretRule),
    v.regex(printable, secretRule),
    v.minLength(CHAP_SECRET_CHARACTERS_MIN, secretRule),
    v.maxLength(CHAP_TEXT_CHARACTERS_MAX, secretRule),
  ),
});
export const hostCreateBody = v.strictObject({ name: name("host"), iqns, chap: v.optional(chap) });
export const hostChangeBody = v.strictObject({ iqns: v.optional(iqns), chap: v.optional(v.nullable(chap)) });

export const LUN_MAX = 255;
const lunRule = `A LUN is a whole number from 0 to ${LUN_MAX}.`;
export const mappingCreateBody = v.strictObject({
  volume: name("volume"),
  host: name("host"),
  lun: v.optional(v.pipe(v.number(lunRule), v.integer(lunRule), v.minValue(0, lunRule), v.maxValue(LUN_MAX, lunRule))),
});

/** Reads a request's JSON and checks it; throws a `Problem` that says what is wrong with it. */
export async function readBody<S extends v.GenericSchema>(request: Request, schema: S): Promise<v.InferOutput<S>> {
  // A form of another site cannot send this type without asking first.
  if (!/^application\/json *(;|$)/i.test(request.headers.get("content-type") ?? "")) throw new Problem("wrong-type", "The request's body must be JSON, with the header Content-Type: application/json.");
  const json = parseJson(await readText(request));
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new Problem("bad-request", sentence(issue));
}

/** The schema's own sentence, or for a missing or unknown key one that names the key. Never the value: it may be a secret. */
function sentence(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  if (issue.type !== "strict_object") return issue.message;
  if (path === null) return "The request's body must be a JSON object.";
  if (issue.expected === "never") return `The request's body has an unknown key: ${path.slice(0, 64)}.`;
  const missing = issue.input === undefined;
  return missing ? `The request's body lacks the key ${path}.` : `The request's body has no object under the key ${path}.`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("bad-request", "The request's body is not valid JSON.");
  }
}

/** The server refuses large bodies by itself; this holds for bodies of unknown length and for whoever else calls the app. */
async function readText(request: Request): Promise<string> {
  const tooLarge = () => new Problem("body-too-large", `A request's body has at most ${HTTP_BODY_BYTES_MAX} bytes.`);
  if (Number(request.headers.get("content-length") ?? 0) > HTTP_BODY_BYTES_MAX) throw tooLarge();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of request.body ?? []) {
      bytes += part.byteLength;
      if (bytes > HTTP_BODY_BYTES_MAX) throw tooLarge();
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    // The client went away, or the server cut off a body over its limit: no fault of this program's.
    throw new Problem("bad-request", "The request's body did not arrive whole.");
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

export const removeBody = v.strictObject({
  confirm: v.pipe(v.string("confirm is text: the name or id once more."), v.maxLength(128, "confirm is too long.")),
  /** It does not come back: not waited for, and nothing on it is counted on. */
  lost: v.optional(v.boolean("lost is true or false."), false),
});
const place = v.pipe(v.string("A device or directory is text."), v.minLength(1, "A device or directory is not empty."), v.maxLength(1024, "A device's or directory's name has at most 1024 characters."), v.startsWith("/", "A device or directory begins with /."));
export const driveAddBody = v.strictObject({
  device: v.optional(place),
  directory: v.optional(place),
  wipe: v.optional(v.string("wipe is the device's name once more.")),
  capacityBytes: v.optional(v.pipe(v.number("capacityBytes is a number."), v.safeInteger("capacityBytes is a whole number."), v.minValue(0, "capacityBytes is not negative."))),
});
