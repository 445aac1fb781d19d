import type { ApiContext } from "./app.ts";
import type { Caller } from "./route.ts";

/** "volume created", and what there is to say about it. */
export interface Audited {
  readonly what: string;
  readonly fields: Record<string, unknown>;
}

/** One line for each change that somebody made or tried. `result`: "done" or a problem's code. */
export async function audit({ platform }: ApiContext, { name, from }: Caller, { what, fields }: Audited, result: string): Promise<void> {
  platform.log.info(`audit: ${what}`, { audit: true, from, who: name, result, ...fields });
}
