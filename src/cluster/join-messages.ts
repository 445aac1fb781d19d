import * as v from "valibot";

/** GET /api/v1/join/hello?nonce= and POST /api/v1/join/prove: what a server that joins and one of the cluster say to each other. */
const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)));
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(64));

export const joinHello = v.object({ nonce: hex(32) });
export const joinHelloAnswer = v.object({ session: hex(16), nonce: hex(32), salt: hex(16), version: text });

/** `word` is a JoinWord as JSON, since the proof is over its bytes. */
export const joinProveBody = v.object({ session: hex(16), proof: hex(32), word: v.pipe(v.string(), v.maxLength(4096)) });
export const joinWord = v.object({
  id: hex(16),
  name: text,
  address: v.pipe(v.string(), v.ipv4()),
  version: text,
  /** The joiner's wall clock. */
  wallMs: v.number(),
  /** false: only whether it could join; true: it is given a place and all that it needs. */
  commit: v.boolean(),
});
const pem = v.pipe(v.string(), v.startsWith("-----BEGIN "));
export const admission = v.object({
  clusterId: hex(16),
  incarnation: v.number(),
  /** Base64. */
  clusterKey: v.string(),
  token: text,
  authority: v.object({ certificate: pem, key: pem }),
  /** Client addresses of the store's members. */
  endpoints: v.pipe(v.array(v.string()), v.minLength(1)),
  portalGroupTag: v.number(),
});
export const joinProveAnswer = v.object({ proof: hex(32), clusterName: v.string(), admission: v.nullable(admission) });

export type JoinHello = v.InferOutput<typeof joinHello>;
export type JoinHelloAnswer = v.InferOutput<typeof joinHelloAnswer>;
export type JoinProveBody = v.InferOutput<typeof joinProveBody>;
export type JoinWord = v.InferOutput<typeof joinWord>;
export type Admission = v.InferOutput<typeof admission>;
export type JoinProveAnswer = v.InferOutput<typeof joinProveAnswer>;
