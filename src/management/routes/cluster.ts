import * as v from "valibot";
import { joinHello, joinProveBody, type JoinHelloAnswer, type JoinHello, type JoinProveAnswer, type JoinProveBody } from "../../cluster/join-messages.ts";
import type { ClusterAnswer, JoinCodeAnswer } from "../api/cluster.ts";
import type { ApiContext } from "../app.ts";
import { Problem } from "../problem.ts";
import { route, type Route } from "../route.ts";

/** How servers come into the cluster; given by the role, which knows the cluster's secrets. */
export interface Joining {
  /** Of the cluster's certificate authority. */
  readonly fingerprint: string;
  newCode(): Promise<JoinCodeAnswer>;
  hello(body: JoinHello): Promise<JoinHelloAnswer>;
  prove(body: JoinProveBody): Promise<JoinProveAnswer>;
}

export const clusterRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/cluster",
    access: "viewer",
    summary: "The cluster's name, id and fingerprint",
    answer: "ClusterAnswer",
    handle({ context: { view, joining } }): ClusterAnswer {
      const { cluster } = view.map;
      if (cluster === null) throw new Problem("not-ready", "This server has not read the cluster's state yet. Wait a moment.");
      return { name: cluster.name, id: cluster.id, fingerprint: joining?.fingerprint ?? null, evaluation: cluster.evaluation === true };
    },
  }),
  route({
    method: "POST",
    path: "/cluster/join-code",
    access: "administrator",
    summary: "Makes a new join code; the one before ends",
    answer: "JoinCodeAnswer",
    async handle({ context, audit }): Promise<JoinCodeAnswer> {
      audit("join code made");
      return await joiningOf(context).newCode();
    },
  }),
  route({
    method: "GET",
    path: "/join/hello",
    // Whoever knows the join code: it is proved with the next request.
    access: "public",
    summary: "First half of a server's join: nonces and the code's salt",
    answer: "JoinHelloAnswer",
    async handle({ context, query }): Promise<JoinHelloAnswer> {
      const parsed = v.safeParse(joinHello, { nonce: query.get("nonce") });
      if (!parsed.success) throw new Problem("bad-request", "A join begins with a nonce of 32 bytes, hexadecimal.");
      return await joiningOf(context).hello(parsed.output);
    },
  }),
  route({
    method: "POST",
    path: "/join/prove",
    access: "public",
    summary: "Second half of a server's join: both ends prove the join code",
    body: joinProveBody,
    answer: "JoinProveAnswer",
    async handle({ context, body, audit }): Promise<JoinProveAnswer> {
      const answer = await joiningOf(context).prove(body);
      audit(answer.admission === null ? "join code proved by a server that asks to join" : "server let into the cluster");
      return answer;
    },
  }),
];

function joiningOf({ joining }: ApiContext): Joining {
  if (joining === undefined) throw new Problem("not-possible", "Servers cannot join this cluster: its store is inside one machine. A trial gets more servers by its own commands.");
  return joining;
}
