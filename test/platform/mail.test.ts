import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../../src/platform/clock.ts";
import { sendMail, type Mail, type MailLimits, type MailServer } from "../../src/platform/mail.ts";
import { SmtpSink, type SinkBehaviour } from "../receivers/smtp-sink.ts";

const MAIL: Mail = { from: "VirtuStor <storage@example.com>", to: ["admin@example.com", "night@example.com"], subject: "[rack] Critical: server-2 does not answer", text: "A line.\n.\n.. ends\n", reference: "cluster.7-7" };
const HASTY: MailLimits = { connectMs: 400, greetingMs: 400, silenceMs: 400, wholeMs: 1_500 };
let tls: { key: string; cert: string };
const sinks: SmtpSink[] = [];

beforeAll(() => {
  const directory = mkdtempSync(join(tmpdir(), "virtustor-mail-"));
  const made = Bun.spawnSync(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=sink", "-keyout", join(directory, "key"), "-out", join(directory, "cert")]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  tls = { key: readFileSync(join(directory, "key"), "utf8"), cert: readFileSync(join(directory, "cert"), "utf8") };
  rmSync(directory, { recursive: true });
});
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.stop();
});

async function sink(behaviour: SinkBehaviour = {}): Promise<SmtpSink> {
  const started = await SmtpSink.start(behaviour);
  sinks.push(started);
  return started;
}
const to = (port: number, more: Partial<MailServer> = {}): MailServer => ({ host: "127.0.0.1", port, security: "none", login: null, ...more });

/** What an administrator reads of the failure. */
async function refusal(server: MailServer, limits?: MailLimits): Promise<string> {
  const outcome = await sendMail(realClock(), server, MAIL, limits);
  return outcome.sent ? "sent" : outcome.sentence;
}

describe("a mail", () => {
  test("arrives whole, with its sender, recipients and an id that stays the same", async () => {
    const { port, mails } = await sink();
    expect(await sendMail(realClock(), to(port), MAIL)).toEqual({ sent: true });
    expect(mails).toHaveLength(1);
    const [mail] = mails;
    expect(mail).toMatchObject({ from: "storage@example.com", to: ["admin@example.com", "night@example.com"], secure: false, user: null });
    expect(mail?.headers["subject"]).toBe(MAIL.subject);
    expect(mail?.headers["message-id"]).toBe("<cluster.7-7.virtustor@example.com>");
    expect(mail?.text.trimEnd()).toBe(MAIL.text.trimEnd());
  });
  test("is given with a login", async () => {
    const { port, mails } = await sink({ login: { user: "storage", password: "secret words" } });
    expect(await sendMail(realClock(), to(port, { login: { user: "storage", password: "secret words" } }), MAIL)).toEqual({ sent: true });
    expect(mails[0]?.user).toBe("storage");
  });
});

describe("a mail server that does not take a mail", () => {
  test("with a wrong password: the sentence names the login and never the password", async () => {
    const { port, mails } = await sink({ login: { user: "storage", password: "right" } });
    const sentence = await refusal(to(port, { login: { user: "storage", password: "wr0ng-word" } }));
    expect(sentence).toContain("does not accept the login of storage");
    expect(sentence).not.toContain("wr0ng-word");
    expect(mails).toEqual([]);
  });
  test("without STARTTLS when that is demanded: nothing is sent in the clear", async () => {
    const { port, mails } = await sink();
    expect(await refusal(to(port, { security: "starttls" }))).toContain("does not offer STARTTLS");
    expect(mails).toEqual([]);
  });
  test("with a certificate that nobody vouches for, by STARTTLS and from the first byte", async () => {
    const offered = await sink({ tls });
    expect(await refusal(to(offered.port, { security: "starttls" }))).toMatch(/secure connection to the mail server 127\.0\.0\.1 .* failed/);
    const implicit = await sink({ tls, implicitTls: true });
    expect(await refusal(to(implicit.port, { security: "tls" }))).toMatch(/secure connection to the mail server 127\.0\.0\.1 .* failed/);
    expect([...offered.mails, ...implicit.mails]).toEqual([]);
  });
  test("because it speaks no TLS at all where that is expected", async () => {
    const { port } = await sink();
    expect(await refusal(to(port, { security: "tls" }), HASTY)).toMatch(/secure connection|does not answer|broke/);
  });
  for (const hang of ["greeting", "ehlo", "data"] as const) {
    test(`because it hangs at ${hang}: the attempt ends and says so`, async () => {
      const { port } = await sink({ hang });
      expect(await refusal(to(port), HASTY)).toMatch(/does not answer|did not finish/);
    });
  }
  test("because it sends a byte now and then for ever", async () => {
    const server = createServer((socket) => {
      const drip = setInterval(() => socket.write("2"), 50);
      socket.on("close", () => clearInterval(drip));
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    expect(await refusal(to(port), { connectMs: 60_000, greetingMs: 60_000, silenceMs: 60_000, wholeMs: 600 })).toContain("did not finish within");
    server.close();
  });
  test("because it refuses a recipient, or the message", async () => {
    const recipient = await sink({ answers: { rcpt: "550 5.1.1 no such user here" } });
    expect(await refusal(to(recipient.port))).toMatch(/refuses the sender or a recipient: check the addresses\. It said: 550 5\.1\.1 no such user here/);
    const message = await sink({ answers: { message: "554 5.7.1 smells of spam" } });
    expect(await refusal(to(message.port))).toContain("It said: 554 5.7.1 smells of spam");
  });
  test("because nothing listens, or nobody knows its name", async () => {
    const gone = await sink();
    const { port } = gone;
    await gone.stop();
    expect(await refusal(to(port))).toContain("Nothing listens at");
    expect(await refusal({ ...to(25), host: "mail.invalid" }, { ...HASTY, wholeMs: 10_000, connectMs: 5_000 })).toMatch(/is not known|does not answer|cannot be reached/);
  });
});
