import type { Arrival } from "../base/arrival.ts";
import { findCommand } from "./commands.ts";
import { inquiry } from "./inquiry.ts";
import type { Nexus } from "./nexus.ts";
import { reportLuns, requestSense } from "./report.ts";
import type { Answer } from "./request.ts";
import { check, invalidField, INVALID_OPERATION_CODE, LUN_NOT_SUPPORTED } from "./sense.ts";
import type { TargetPort } from "./unit.ts";

const REQUEST_SENSE = 0x03;
const INQUIRY = 0x12;
const REPORT_LUNS = 0xa0;
const NACA = 0x04;

/** The SCSI device server (SAM-5 4.6): a CDB in; status, sense and data out. It knows no transport. */
export class DeviceServer {
  readonly #ports: () => readonly TargetPort[];

  /** `ports`: all target ports of the cluster, asked afresh at each need. */
  constructor(ports: () => readonly TargetPort[]) {
    this.#ports = ports;
  }

  /**
   * Carries out one command. `cdb` has at least 16 bytes and may change once this returns; `dataOut` is what the host sent and
   * must stay unchanged until the answer is there. `lun` is null when the host addressed something that cannot be a LUN.
   * Never rejects unless the volume breaks its contract.
   */
  execute(nexus: Nexus, lun: number | null, cdb: Buffer, dataOut: Buffer, arrival: Arrival): Answer {
    const unit = lun === null ? undefined : nexus.units.get(lun);
    const opcode = cdb[0]!;
    // These three answer on every LUN, and while a unit attention waits (SPC-4 5.8, SAM-5 5.14).
    if (opcode === INQUIRY) return inquiry(cdb, unit ?? null, nexus.port.groupTag);
    if (opcode === REPORT_LUNS) return reportLuns(cdb, nexus);
    if (opcode === REQUEST_SENSE) {
      return requestSense(cdb, unit === undefined ? LUN_NOT_SUPPORTED : nexus.takeAttention(lun!));
    }
    if (unit === undefined || lun === null) return check(LUN_NOT_SUPPORTED);
    const attention = nexus.takeAttention(lun);
    if (attention !== null) return check(attention);
    const command = findCommand(cdb);
    if (command === "opcode") return check(INVALID_OPERATION_CODE);
    if (command === "action") return invalidField(1);
    const control = command.usage.length - 1;
    if ((cdb[control]! & NACA) !== 0) return invalidField(control);
    return command.run({ nexus, lun, unit, cdb, dataOut, arrival, ports: this.#ports });
  }
}
