import type { Crypto } from "./platform.ts";

/** A receiver that is well answers at once; it should queue what takes long. */
export const WEBHOOK_MS_MAX = 15_000;

export type WebhookOutcome = { readonly sent: true } | { readonly sent: false; readonly sentence: string };

export interface Webhook {
  readonly url: string;
  /** null: not signed. */
  readonly secret: string | null;
}

/**
 * Posts JSON. Headers: `x-virtustor-delivery` (the same when it is sent again), `x-virtustor-timestamp` (seconds since 1970), and with a
 * secret `x-virtustor-signature: sha256=HEX`, the HMAC-SHA-256 of timestamp, a dot and the body. Taken when the answer is 2xx. Never
 * rejects, ends within `limitMs`, follows no redirect.
 */
export async function postWebhook(crypto: Crypto, wallMs: number, { url, secret }: Webhook, payload: object, reference: string, limitMs = WEBHOOK_MS_MAX): Promise<WebhookOutcome> {
  const body = JSON.stringify(payload);
  const timestamp = String(Math.floor(wallMs / 1000));
  const signature = secret === null ? {} : { "x-virtustor-signature": `sha256=${Buffer.from(crypto.hmac(new TextEncoder().encode(secret), [timestamp, ".", body])).toString("hex")}` };
  const where = `The webhook's receiver ${shown(url)}`;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "VirtuStor", "x-virtustor-delivery": reference, "x-virtustor-timestamp": timestamp, ...signature },
      body,
      redirect: "manual",
      keepalive: false,
      signal: AbortSignal.timeout(limitMs),
    });
    void response.body?.cancel().catch(() => undefined);
    if (response.ok) return { sent: true };
    if (response.status >= 300 && response.status < 400) return { sent: false, sentence: `${where} sends the message on to another address: enter that one.` };
    return { sent: false, sentence: `${where} answers with HTTP status ${response.status}: check the address, and the secret if it checks signatures.` };
  } catch (error) {
    return { sent: false, sentence: `${where} ${whyNot(error, limitMs)}` };
  }
}

/** Without a login or a query: those may be secrets. */
function shown(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? "" : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

function whyNot(error: unknown, limitMs: number): string {
  if (!(error instanceof Error)) return "cannot be reached.";
  const code = "code" in error ? String(error.code) : "";
  if (error.name === "TimeoutError") return `does not answer within ${Math.round(limitMs / 1000)} s: check its address and firewalls between.`;
  if (/ConnectionRefused|ECONNREFUSED/.test(code)) return "cannot be reached: nothing listens there, or its name is not known. Check the address.";
  if (/CERT|SELF_SIGNED|TLS|SSL|UNABLE_TO/i.test(code)) return `has a certificate that is not trusted (${code}).`;
  return `cannot be reached: ${error.message.replace(/[\x00-\x1f]+/g, " ").slice(0, 200).replace(/\.$/, "")}.`;
}
