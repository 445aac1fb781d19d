import type { ApiContext } from "./app.ts";

/** One line for each change that an administrator made. `what` is "volume created"; never give it a secret. */
export function audit({ platform }: ApiContext, remote: string, what: string, fields: Record<string, unknown>): void {
  platform.log.info(`audit: ${what}`, { audit: true, from: remote, ...fields });
}
