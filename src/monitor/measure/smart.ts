import * as v from "valibot";
import type { SmartWord } from "../../cluster/alerting.ts";

/** What `smartctl --json -a` says, as far as it is looked at; everything may be missing, since each kind of drive tells other things. */
const attribute = v.object({ id: v.number(), value: v.optional(v.number()), raw: v.optional(v.object({ value: v.number() })) });
const answer = v.object({
  smart_status: v.optional(v.object({ passed: v.optional(v.boolean()) })),
  temperature: v.optional(v.object({ current: v.optional(v.number()) })),
  ata_smart_attributes: v.optional(v.object({ table: v.optional(v.array(attribute)) })),
  nvme_smart_health_information_log: v.optional(v.object({ percentage_used: v.optional(v.number()), media_errors: v.optional(v.number()), critical_warning: v.optional(v.number()) })),
  endurance_used: v.optional(v.object({ current_percent: v.optional(v.number()) })),
  scsi_grown_defect_list: v.optional(v.number()),
  scsi_percentage_used_endurance_indicator: v.optional(v.number()),
  scsi_error_counter_log: v.optional(
    v.object({
      read: v.optional(v.object({ total_uncorrected_errors: v.optional(v.number()) })),
      write: v.optional(v.object({ total_uncorrected_errors: v.optional(v.number()) })),
    }),
  ),
});

const REALLOCATED = 5;
const PENDING = 197;
const UNCORRECTABLE = 198;
/** Normalized values of SSDs that begin with 100 and fall as they wear, by their makers' numbers. */
const LIFE_LEFT = [231, 233, 202, 177, 173];
/** NVMe 5.16.1.3: spare space low, temperature, reliability degraded, read-only, backup failed. All but the temperature mean failing. */
const NVME_FAILING = 0b11101;

/** Null when the text says nothing of the drive's health: no SMART, no such device, not smartctl. Pure. */
export function parseSmart(text: string): SmartWord | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = v.safeParse(answer, json);
  if (!parsed.success) return null;
  const said = parsed.output;
  const table = said.ata_smart_attributes?.table ?? [];
  const raw = (id: number): number | null => whole(table.find((one) => one.id === id)?.raw?.value);
  const nvme = said.nvme_smart_health_information_log;
  const errors = said.scsi_error_counter_log;
  const uncorrected = errors === undefined ? null : (errors.read?.total_uncorrected_errors ?? 0) + (errors.write?.total_uncorrected_errors ?? 0);
  const left = LIFE_LEFT.map((id) => table.find((one) => one.id === id)?.value).find((value) => value !== undefined);
  const worn = nvme?.percentage_used ?? said.endurance_used?.current_percent ?? said.scsi_percentage_used_endurance_indicator ?? (left === undefined ? null : Math.max(0, 100 - left));
  const failing = nvme?.critical_warning !== undefined && (nvme.critical_warning & NVME_FAILING) !== 0;
  const word: SmartWord = {
    passed: failing ? false : (said.smart_status?.passed ?? null),
    reallocated: raw(REALLOCATED) ?? whole(said.scsi_grown_defect_list),
    pending: raw(PENDING),
    uncorrectable: raw(UNCORRECTABLE) ?? whole(nvme?.media_errors) ?? whole(uncorrected),
    wornPercent: worn,
    celsius: said.temperature?.current ?? null,
  };
  return Object.values(word).every((value) => value === null) ? null : word;
}

/** Some makers pack several numbers into 48 bits of a raw value; what is no sensible count is none. */
function whole(value: number | null | undefined): number | null {
  if (value === null || value === undefined || !Number.isSafeInteger(value) || value < 0) return null;
  return value % 2 ** 32;
}
