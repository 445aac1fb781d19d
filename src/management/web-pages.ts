import type { Platform } from "../platform/platform.ts";
import type { ApiApp } from "./app.ts";
import { problemResponse } from "./problem.ts";

/** A file of the web UI. */
export interface WebFile {
  readonly type: string;
  readonly gzip: Uint8Array<ArrayBuffer>;
  plain(): Uint8Array<ArrayBuffer>;
}
/** By path, each beginning with a slash. */
export type WebFiles = () => Promise<ReadonlyMap<string, WebFile>>;

const PAGE = "/index.html";
/** Their names carry a hash of what is in them. */
const HASHED = "/assets/";
/** As much as CSP asks for: 128 bits that nobody can guess. */
const NONCE_BYTES = 16;

/**
 * What the page may do: its own scripts and nothing else, from this server alone. Mantine makes style elements as the page is
 * drawn; they carry the nonce. Styles set through the DOM need no permission, and there are no style attributes in the page.
 */
export function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'", "script-src 'self'", `style-src 'self' 'nonce-${nonce}'`, "img-src 'self' data:", "font-src 'self'", "connect-src 'self'",
    "manifest-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  ].join("; ");
}

/** Whether a request is for a page or a file of the web UI rather than for the API. */
function isWebPath(path: string): boolean {
  return path !== "/api" && !path.startsWith("/api/");
}

/** Serves the web UI, which holds no secret, without authentication. Any address without a file is a page of the UI, which finds its own way. */
export function addWebPages(app: ApiApp, platform: Pick<Platform, "random">, files: WebFiles): void {
  app.get("*", async (request, next) => {
    const { path } = request.req;
    if (!isWebPath(path)) return next();
    const all = await files();
    // A volume's name, further down, may have dots; a name like favicon.ico is no page.
    const isPage = !path.startsWith(HASHED) && !/^\/[^/]*\./.test(path);
    const file = all.get(isPage ? PAGE : path);
    if (file === undefined) return problemResponse("not-found", `There is no ${request.req.method} ${path.slice(0, 128)}.`);
    const headers: Record<string, string> = {
      "content-type": file.type,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
    };
    if (file === all.get(PAGE)) {
      const nonce = [...platform.random.bytes(NONCE_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const text = new TextDecoder().decode(file.plain()).replace("NONCE", nonce);
      return new Response(text, { headers: { ...headers, "content-security-policy": contentSecurityPolicy(nonce), "cache-control": "no-store" } });
    }
    headers["cache-control"] = path.startsWith(HASHED) ? "public, max-age=31536000, immutable" : "public, max-age=3600";
    headers["vary"] = "accept-encoding";
    if (!/\bgzip\b/.test(request.req.header("accept-encoding") ?? "")) return new Response(file.plain(), { headers });
    return new Response(file.gzip, { headers: { ...headers, "content-encoding": "gzip" } });
  });
}
