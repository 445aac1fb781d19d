import { FormatError, Reader, Writer } from "../base/bytes.ts";
import type { Instance } from "../base/ids.ts";
import type { Crypto } from "../platform/platform.ts";
import type { Peer } from "./messages.ts";

/**
 * Both ends prove that they hold the cluster key before any other message is read.
 *
 *   caller                         drive
 *     Hello{who, for whom, nonce} -->
 *                                 <-- Challenge{instance, nonce, proof over both nonces}   or Refused{reason}
 *     Proof{proof over both}      -->
 *                                 <-- Welcome                                             or Refused{reason}
 */
export const WIRE_VERSION = 1;
export const HELLO_TYPES = { hello: 1, challenge: 2, proof: 3, welcome: 4, refused: 5 } as const;
/** Before the proof nobody may make the other end hold more than this. */
export const HELLO_LIMITS = { headBytesMax: 1024, dataBytesMax: 0 } as const;
export const HELLO_TIMEOUT_MS = 3000;
const NONCE_BYTES = 16;

/** What a caller says of itself and of whom it means to reach. */
export interface Hello {
  readonly version: number;
  readonly clusterId: string;
  readonly incarnation: number;
  readonly peer: Peer;
  /** Of this caller's channels to this drive; a later one replaces an earlier one. */
  readonly connection: number;
  readonly driveId: string;
  readonly nonce: Uint8Array;
}
export interface Challenge {
  readonly instance: Instance;
  readonly nonce: Uint8Array;
  readonly proof: Uint8Array;
}

export function encodeHello(hello: Hello): Buffer {
  return new Writer()
    .u32(hello.version).text(hello.clusterId).u64(hello.incarnation)
    .u8(hello.peer.kind === "drive" ? 1 : 2).text(hello.peer.id).u64(hello.peer.instance)
    .u64(hello.connection).text(hello.driveId).bytes(hello.nonce)
    .finish();
}
export function decodeHello(head: Buffer): Hello {
  const r = new Reader(head);
  const version = r.u32();
  if (version !== WIRE_VERSION) throw new FormatError(`the caller speaks version ${version} of the storage protocol, this server ${WIRE_VERSION}: update the older one`);
  const clusterId = r.text(64);
  const incarnation = r.u64();
  const kind = r.u8() === 1 ? "drive" : "gateway";
  const peer: Peer = { kind, id: r.text(64), instance: r.u64() as Instance };
  const hello: Hello = { version, clusterId, incarnation, peer, connection: r.u64(), driveId: r.text(64), nonce: exactly(r.bytes(NONCE_BYTES)) };
  r.end();
  return hello;
}
export function encodeChallenge(challenge: Challenge): Buffer {
  return new Writer().u64(challenge.instance).bytes(challenge.nonce).bytes(challenge.proof).finish();
}
export function decodeChallenge(head: Buffer): Challenge {
  const r = new Reader(head);
  const challenge = { instance: r.u64() as Instance, nonce: exactly(r.bytes(NONCE_BYTES)), proof: r.bytes(32) };
  r.end();
  return challenge;
}
/** `side` keeps one end's proof from being played back as the other's. */
export function proof(crypto: Crypto, key: Uint8Array, side: "drive" | "caller", hello: Buffer, driveInstance: Instance, driveNonce: Uint8Array): Uint8Array {
  return crypto.hmac(key, [side, new Writer().bytes(hello).u64(driveInstance).bytes(driveNonce).finish()]);
}
export function nonce(bytes: (count: number) => Uint8Array): Uint8Array {
  return bytes(NONCE_BYTES);
}
function exactly(bytes: Buffer): Buffer {
  if (bytes.length !== NONCE_BYTES) throw new FormatError("a nonce of the wrong length");
  return bytes;
}
