import { beforeAll, expect, test } from "bun:test";
import { Hono } from "hono";
import type { ApiApp } from "../../src/management/app.ts";
import { addWebPages } from "../../src/management/web-pages.ts";
import { bundleWeb, type BundledFile } from "../../src/web/bundle/bundle.ts";
import { webFiles } from "../../src/role/web-files.ts";
import { realRandom } from "../../src/platform/random.ts";

/** What a browser loads before it shows the login, compressed: within a second over a slow line. */
const GZIP_BYTES_MAX = 400 * 1024;

let files: BundledFile[];
let app: ApiApp;
beforeAll(async () => {
  files = await bundleWeb();
  app = new Hono();
  addWebPages(app, { random: realRandom() }, webFiles());
});
const text = ({ bytes }: BundledFile): string => new TextDecoder().decode(bytes);
const get = async (path: string, headers: Record<string, string> = {}): Promise<Response> => await app.request(path, { headers });

test("the page names its own files alone, and has no script and no style of its own in it", () => {
  const page = text(files.find(({ path }) => path === "/index.html") as BundledFile);
  const named = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? "");
  expect(named.length).toBeGreaterThanOrEqual(3);
  for (const path of named) expect(files.map((file) => file.path)).toContain(path);
  expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
});

test("nothing in the bundle is loaded from elsewhere, and it stays small", () => {
  for (const file of files.filter(({ path }) => path.endsWith(".css"))) expect(text(file)).not.toMatch(/@import|url\(["']?(?:https?:)?\/\//);
  for (const file of files.filter(({ path }) => path.endsWith(".js"))) expect(text(file)).not.toMatch(/\bimport\(["']https?:|\beval\(|new Function\(/);
  expect(files.reduce((sum, { bytes }) => sum + Bun.gzipSync(bytes).length, 0)).toBeLessThan(GZIP_BYTES_MAX);
});

test("every page of the UI is the same page, with a policy that lets only its own files and one nonce in", async () => {
  const nonces = new Set<string>();
  for (const path of ["/", "/volumes", "/volumes/a.b", "/settings/users"]) {
    const answer = await get(path);
    expect(answer.status).toBe(200);
    const policy = answer.headers.get("content-security-policy") ?? "";
    const nonce = /'nonce-([0-9a-f]{32})'/.exec(policy)?.[1] ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain("unsafe");
    expect(await answer.text()).toContain(`content="${nonce}"`);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    nonces.add(nonce);
  }
  expect(nonces.size).toBe(4);
});

test("files are kept by browsers for good, compressed for those who can, and what is not there is not found", async () => {
  const script = files.find(({ path }) => path.endsWith(".js")) as BundledFile;
  const plain = await get(script.path);
  expect(plain.headers.get("cache-control")).toContain("immutable");
  expect(new Uint8Array(await plain.arrayBuffer())).toEqual(script.bytes);
  const packed = await get(script.path, { "accept-encoding": "br, gzip" });
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  expect(Bun.gunzipSync(new Uint8Array(await packed.arrayBuffer()))).toEqual(script.bytes);
  for (const path of ["/assets/other.js", "/assets/../index.html.js", "/favicon.ico", "/api/v1/nothing"]) expect((await get(path)).status).toBe(404);
});
