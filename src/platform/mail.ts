import { createTransport } from "nodemailer";
import type { Clock } from "./platform.ts";

/** A mail server that is well answers within seconds; one that greylists or scans may take some more. */
const CONNECT_MS = 10_000;
const GREETING_MS = 10_000;
const SILENCE_MS = 20_000;
/** In all: whatever the server does, the attempt is over then. */
export const MAIL_MS_MAX = 45_000;

export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** starttls: refused when the server does not offer it; tls: from the first byte on. */
  readonly security: "none" | "starttls" | "tls";
  /** null: without a login. */
  readonly login: { readonly user: string; readonly password: string } | null;
}
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** Becomes the Message-ID, so that the same message sent twice can be told. */
  readonly reference: string;
}
export type MailOutcome = { readonly sent: true } | { readonly sent: false; readonly sentence: string };

/** Time limits, milliseconds. */
export interface MailLimits {
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly silenceMs: number;
  readonly wholeMs: number;
}
const LIMITS: MailLimits = { connectMs: CONNECT_MS, greetingMs: GREETING_MS, silenceMs: SILENCE_MS, wholeMs: MAIL_MS_MAX };

/** Gives one mail to a mail server (RFC 5321). Never rejects, and ends within `within`, milliseconds in all; a failure says what to look at. */
export async function sendMail(clock: Clock, server: MailServer, mail: Mail, within: number | MailLimits = MAIL_MS_MAX): Promise<MailOutcome> {
  const limits = typeof within === "number" ? { ...LIMITS, wholeMs: within } : within;
  const where = `the mail server ${server.host} port ${server.port}`;
  const transport = createTransport({
    host: server.host,
    port: server.port,
    secure: server.security === "tls",
    requireTLS: server.security === "starttls",
    ignoreTLS: server.security === "none",
    connectionTimeout: limits.connectMs,
    greetingTimeout: limits.greetingMs,
    socketTimeout: limits.silenceMs,
    dnsTimeout: limits.connectMs,
    ...(server.login === null ? {} : { auth: { user: server.login.user, pass: server.login.password } }),
    // Text alone is ever sent: nothing is to be read from a file or an address.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const tooLate = Promise.withResolvers<MailOutcome>();
  const timer = clock.timer(limits.wholeMs, () => tooLate.resolve({ sent: false, sentence: `${capital(where)} did not finish within ${Math.round(limits.wholeMs / 1000)} s: is it a mail server, and is it overloaded?` }));
  try {
    const domain = mail.from.replace(/^.*@|>.*$/g, "") || "virtustor";
    const sending = transport
      .sendMail({ from: mail.from, to: [...mail.to], subject: mail.subject, text: mail.text, messageId: `<${mail.reference}.virtustor@${domain}>`, headers: { "auto-submitted": "auto-generated" } })
      .then(({ rejected }): MailOutcome => {
        const refused = (rejected as readonly unknown[]).map(String);
        if (refused.length === 0) return { sent: true };
        return { sent: false, sentence: `${capital(where)} took the message for some, but not for ${refused.join(", ")}: check the addresses.` };
      })
      .catch((error: unknown): MailOutcome => ({ sent: false, sentence: whyNot(error, where, server) }));
    return await Promise.race([sending, tooLate.promise]);
  } finally {
    timer.cancel();
    transport.close();
  }
}

interface SmtpError {
  readonly code?: string;
  readonly command?: string;
  readonly response?: string;
  readonly responseCode?: number;
  readonly message: string;
}

function whyNot(error: unknown, where: string, server: MailServer): string {
  const { code, command, response, responseCode, message } = error as SmtpError;
  const said = response === undefined ? "" : ` It said: ${clean(response)}.`;
  const port = server.security === "tls" ? "465" : "587 or 25";
  if (code === "EAUTH") return `${capital(where)} does not accept the login of ${server.login?.user ?? "nobody"}: check user and password.${said}`;
  if (/STARTTLS/i.test(`${command ?? ""} ${message}`) && code !== "ETIMEDOUT") return `${capital(where)} does not offer STARTTLS, so that the message would travel unencrypted: choose "tls" if it is meant for that (port 465), or "none" in a network that you trust.${said}`;
  if (code === "ETLS" || /certificate|self.signed|SSL|TLS|wrong version/i.test(message)) return `A secure connection to ${where} failed: ${clean(message)}. Is the security right for this port, and is the server's certificate valid?`;
  if (code === "EENVELOPE") return `${capital(where)} refuses the sender or a recipient: check the addresses.${said}`;
  if (code === "EMESSAGE" || (responseCode ?? 0) >= 400) return `${capital(where)} refuses the message.${said}`;
  if (code === "EDNS" || /ENOTFOUND|EAI_AGAIN|getaddrinfo|DNS/i.test(message)) return `The name ${server.host} of the mail server is not known: check the name, and the name servers in this server's network settings.`;
  if (/ECONNREFUSED|refused/i.test(message)) return `Nothing listens at ${where}: check name and port (${port} with this security).`;
  if (code === "ETIMEDOUT" || /timeout|timed out/i.test(message)) return `${capital(where)} does not answer: it accepts no connection or says nothing. Check name and port (${port} with this security), and firewalls between.`;
  if (/EHOSTUNREACH|ENETUNREACH/.test(message)) return `${capital(where)} cannot be reached: check this server's network settings.`;
  if (code === "ECONNECTION" || code === "ESOCKET") return `The connection to ${where} broke: ${clean(message)}. Check port and security (${port} with this one).`;
  return `The message could not be given to ${where}: ${clean(message)}.`;
}

/** One line, not too long: it comes from another machine. */
function clean(text: string): string {
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim().replace(/\.$/, "").slice(0, 200);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
