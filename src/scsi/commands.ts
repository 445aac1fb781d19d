import { compareAndWrite, prefetch, read, synchronizeCache, verify, write, writeAndVerify } from "./blocks.ts";
import { cut, runInquiry } from "./inquiry.ts";
import { modeSense } from "./mode.ts";
import { unmap, writeSame } from "./provisioning.ts";
import { getLbaStatus, readCapacity10, readCapacity16, reportLuns, reportTargetPortGroups, requestSense } from "./report.ts";
import type { Answer, Request, Run } from "./request.ts";
import { DONE, given, invalidField } from "./sense.ts";

/** A command that this device server knows. The table drives both dispatch and REPORT SUPPORTED OPERATION CODES. */
export interface Command {
  readonly opcode: number;
  /** In byte 1, bits 0 to 4; null when the opcode has none. */
  readonly serviceAction: number | null;
  /** CDB usage data (SPC-4 6.35.3): the opcode, then a mask of the bits that are evaluated. Its length is the CDB's. */
  readonly usage: Buffer;
  readonly run: Run;
}

function command(usage: string, run: Run): Command {
  const bytes = Buffer.from(usage.replaceAll(" ", ""), "hex");
  return { opcode: bytes[0]!, serviceAction: null, usage: bytes, run };
}

function action(serviceAction: number, usage: string, run: Run): Command {
  return { ...command(usage, run), serviceAction };
}

const COMMANDS: readonly Command[] = [
  command("00 00 00 00 00 00", () => DONE), // TEST UNIT READY
  command("03 01 00 00 ff 00", (request) => requestSense(request.cdb, null)),
  command("08 1f ff ff ff 00", read),
  command("0a 1f ff ff ff 00", write),
  command("12 01 ff ff ff 00", runInquiry),
  command("1a 08 ff ff ff 00", modeSense),
  command("1b 01 00 0f f7 00", startStopUnit),
  command("1e 00 00 00 03 00", () => DONE), // PREVENT ALLOW MEDIUM REMOVAL: nothing can be removed
  command("25 00 ff ff ff ff 00 00 01 00", readCapacity10),
  command("28 18 ff ff ff ff 00 ff ff 00", read),
  command("2a 18 ff ff ff ff 00 ff ff 00", write),
  command("2e 12 ff ff ff ff 00 ff ff 00", writeAndVerify),
  command("2f 16 ff ff ff ff 00 ff ff 00", verify),
  command("34 02 ff ff ff ff 00 ff ff 00", prefetch),
  command("35 06 ff ff ff ff 00 ff ff 00", synchronizeCache),
  command("41 08 ff ff ff ff 00 ff ff 00", writeSame),
  command("42 01 00 00 00 00 00 ff ff 00", unmap),
  command("5a 18 ff ff 00 00 00 ff ff 00", modeSense),
  command("88 18 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", read),
  command("89 18 ff ff ff ff ff ff ff ff 00 00 00 ff 00 00", compareAndWrite),
  command("8a 18 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", write),
  command("8e 12 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", writeAndVerify),
  command("8f 16 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", verify),
  command("90 02 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", prefetch),
  command("91 06 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", synchronizeCache),
  command("93 09 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", writeSame),
  action(0x10, "9e 1f 00 00 00 00 00 00 00 00 ff ff ff ff 00 00", readCapacity16),
  action(0x12, "9e 1f ff ff ff ff ff ff ff ff ff ff ff ff 00 00", getLbaStatus),
  command("a0 00 ff 00 00 00 ff ff ff ff 00 00", (request) => reportLuns(request.cdb, request.nexus)),
  action(0x0a, "a3 ff 00 00 00 00 ff ff ff ff 00 00", reportTargetPortGroups),
  action(0x0c, "a3 1f 87 ff ff ff ff ff ff ff 00 00", reportSupportedOperationCodes),
  command("a8 18 ff ff ff ff ff ff ff ff 00 00", read),
  command("aa 18 ff ff ff ff ff ff ff ff 00 00", write),
  command("ae 12 ff ff ff ff ff ff ff ff 00 00", writeAndVerify),
  command("af 16 ff ff ff ff ff ff ff ff 00 00", verify),
];

/** By opcode; an opcode with service actions has several. */
const BY_OPCODE: readonly (readonly Command[])[] = Array.from({ length: 256 }, (_, opcode) =>
  COMMANDS.filter((known) => known.opcode === opcode),
);

/** The command of a CDB. "opcode": there is none; "action": the opcode is known, its service action is not. */
export function findCommand(cdb: Buffer): Command | "opcode" | "action" {
  const known = BY_OPCODE[cdb[0]!]!;
  const first = known[0];
  if (first === undefined) return "opcode";
  if (first.serviceAction === null) return first;
  const serviceAction = cdb[1]! & 0x1f;
  for (const candidate of known) if (candidate.serviceAction === serviceAction) return candidate;
  return "action";
}

/** START STOP UNIT (SBC-3 5.24): accepted without effect, since other hosts use the unit as well. */
function startStopUnit(request: Request): Answer {
  return (request.cdb[4]! >> 4) > 0x0b ? invalidField(4) : DONE;
}

/** Timeouts descriptor that promises nothing (SPC-4 6.35.4). */
const TIMEOUTS = Buffer.from([0x00, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** REPORT SUPPORTED OPERATION CODES (SPC-4 6.35). */
function reportSupportedOperationCodes(request: Request): Answer {
  const { cdb } = request;
  const timeouts = (cdb[2]! & 0x80) !== 0;
  const options = cdb[2]! & 0x07;
  const allocation = cdb.readUInt32BE(6);
  if (options === 0) return given(cut(allCommands(timeouts), allocation));
  if (options > 3) return invalidField(2);
  const opcode = cdb[3]!;
  const serviceAction = cdb.readUInt16BE(4);
  const known = BY_OPCODE[opcode]!;
  const withActions = known.some((candidate) => candidate.serviceAction !== null);
  // Options 1 and 2 are errors when the opcode is not of that kind; 3 then answers "not supported".
  if (options === 1 && withActions) return invalidField(2);
  if (options === 2 && known.length > 0 && !withActions) return invalidField(2);
  const found = known.find((candidate) =>
    candidate.serviceAction === null ? options === 1 || serviceAction === 0 : candidate.serviceAction === serviceAction,
  );
  return given(cut(oneCommand(found ?? null, timeouts), allocation));
}

function allCommands(timeouts: boolean): Buffer {
  const entryBytes = timeouts ? 20 : 8;
  const data = Buffer.alloc(4 + entryBytes * COMMANDS.length);
  data.writeUInt32BE(data.length - 4, 0);
  COMMANDS.forEach((known, i) => {
    const at = 4 + entryBytes * i;
    data[at] = known.opcode;
    data.writeUInt16BE(known.serviceAction ?? 0, at + 2);
    data[at + 5] = (timeouts ? 0x02 : 0) | (known.serviceAction === null ? 0 : 0x01);
    data.writeUInt16BE(known.usage.length, at + 6);
    if (timeouts) TIMEOUTS.copy(data, at + 8);
  });
  return data;
}

function oneCommand(known: Command | null, timeouts: boolean): Buffer {
  if (known === null) return Buffer.from([0, 0x01, 0, 0]);
  const head = Buffer.from([0, (timeouts ? 0x80 : 0) | 0x03, 0, known.usage.length]);
  const usage = Buffer.from(known.usage);
  // Where the service action lies the usage data shows its value, not a mask.
  if (known.serviceAction !== null) usage[1] = (usage[1]! & 0xe0) | known.serviceAction;
  return Buffer.concat(timeouts ? [head, usage, TIMEOUTS] : [head, usage]);
}
