import { createHmac } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { realCrypto } from "../../src/platform/crypto.ts";
import { postWebhook } from "../../src/platform/webhook.ts";
import { HttpReceiver } from "../receivers/http-receiver.ts";

let receiver: HttpReceiver;
beforeEach(() => {
  receiver = new HttpReceiver();
});
afterEach(() => receiver.stop());

const post = (url = receiver.url, secret: string | null = null, limitMs?: number) => postWebhook(realCrypto(), 1_700_000_000_123, { url, secret }, { events: [{ sentence: "Ümläut" }] }, "cluster.1-3", limitMs);
const refusal = async (...given: Parameters<typeof post>): Promise<string> => {
  const outcome = await post(...given);
  return outcome.sent ? "sent" : outcome.sentence;
};

test("a receiver can prove who sent a message, when, and that it is the same one again", async () => {
  expect(await post(receiver.url, "a secret")).toEqual({ sent: true });
  const [{ headers, body } = { headers: {} as Record<string, string>, body: "" }] = receiver.received;
  expect(JSON.parse(body)).toEqual({ events: [{ sentence: "Ümläut" }] });
  expect(headers["x-virtustor-delivery"]).toBe("cluster.1-3");
  expect(headers["x-virtustor-timestamp"]).toBe("1700000000");
  expect(headers["x-virtustor-signature"]).toBe(`sha256=${createHmac("sha256", "a secret").update(`1700000000.${body}`).digest("hex")}`);
});
test("without a secret nothing is signed", async () => {
  expect(await post()).toEqual({ sent: true });
  expect(receiver.received[0]?.headers["x-virtustor-signature"]).toBeUndefined();
});
test("what a receiver does not take says why, and where to look; a login in the URL is not told", async () => {
  receiver.behaviour = 500;
  expect(await refusal()).toContain("answers with HTTP status 500");
  receiver.behaviour = 302;
  expect(await refusal()).toContain("sends the message on to another address");
  receiver.behaviour = "hang";
  expect(await refusal(receiver.url, null, 300)).toContain("does not answer within");
  const { url } = receiver;
  await receiver.stop();
  const sentence = await refusal(`${url.replace("http://", "http://user:word@")}?key=value`);
  expect(sentence).toContain("cannot be reached");
  expect(sentence).not.toMatch(/word|value/);
});
