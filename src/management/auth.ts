import type { Crypto } from "../platform/platform.ts";
import type { ApiContext } from "./app.ts";
import { Problem } from "./problem.ts";
import type { Caller } from "./route.ts";
import { COOKIE, cookieOf, roleNow } from "./sessions.ts";

/** Sent with every change that a browser makes; another site's page cannot send it. */
export const SAME_SITE_HEADER = "x-virtustor";

/** Whether an Authorization header bears the token (RFC 6750 2.1). The time it takes does not tell how much of it was right. */
export function tokenCheck(crypto: Crypto, token: string): (given: string) => boolean {
  const encoder = new TextEncoder();
  const wanted = crypto.sha256(encoder.encode(token));
  // Digests have one length, so that the length of the token does not show either.
  return (given) => crypto.equal(crypto.sha256(encoder.encode(given)), wanted);
}

/** Finds out who asks: the cluster's token, a session as bearer token or as cookie; null: nobody that is known. */
export function authorization(context: ApiContext): (request: Request, from: string) => Caller | null {
  const { platform, view, sessions } = context;
  const isToken = tokenCheck(platform.crypto, context.token);
  const sessionOf = (token: string, from: string): Caller | null => {
    const session = sessions.read(token);
    const role = session && roleNow(session, view.ready ? view.people : null);
    return session && role ? { name: session.name, role, from, session } : null;
  };
  return (request, from) => {
    const header = request.headers.get("authorization");
    if (header !== null) {
      const given = /^bearer +([\x21-\x7e]+) *$/i.exec(header)?.[1];
      if (given === undefined) return null;
      return isToken(given) ? { name: "token", role: "administrator", from, session: null } : sessionOf(given, from);
    }
    const cookie = cookieOf(request.headers.get("cookie"));
    return cookie === null ? null : sessionOf(cookie, from);
  };
}

/**
 * Refuses a change that a page of another site has made a browser send: it cannot set this header, and it cannot hide its origin. A program
 * with a bearer token has decided itself to send it.
 */
export function refuseOtherSites(request: Request): void {
  const { headers } = request;
  const origin = headers.get("origin");
  const foreign = origin !== null && URL.parse(origin)?.host !== headers.get("host");
  const site = headers.get("sec-fetch-site");
  if (foreign || (site !== null && site !== "same-origin" && site !== "none")) throw new Problem("cross-site", "The request comes from a page of another site. Use VirtuStor's own page, or a bearer token.");
  const byCookie = headers.get("authorization") === null && (headers.get("cookie") ?? "").includes(COOKIE);
  if (byCookie && headers.get(SAME_SITE_HEADER) === null) throw new Problem("cross-site", `A change with a session's cookie needs the header ${SAME_SITE_HEADER}: 1.`);
}
