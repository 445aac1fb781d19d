import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

/** Debian's; `npm test` installs the package. */
const EXECUTABLE = "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** On a busy machine with two cores a page may take this long; a test that waits longer has failed. */
export const WAIT_MS = 60_000;

/** A browser that trusts one authority, whose certificate lies in `caFile`, besides its own: what that one has not signed is refused. */
export async function openBrowser(caFile: string): Promise<Browser> {
  const key = new X509Certificate(readFileSync(caFile)).publicKey.export({ type: "spki", format: "der" });
  const trusted = createHash("sha256").update(key).digest("base64");
  return await chromium.launch({ executablePath: EXECUTABLE, args: [...FLAGS, `--ignore-certificate-errors-spki-list=${trusted}`] });
}

/** A page of a visitor of its own, and what went wrong on it: errors in its scripts, and whatever its policy forbade. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<{ readonly page: Page; readonly wrong: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/i.test(message.text())) wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).protocol !== "data:" && new URL(request.url()).port !== new URL(page.url() === "about:blank" ? request.url() : page.url()).port) wrong.push(`asked ${request.url()}`);
  });
  return { page, wrong };
}

export async function logIn(page: Page, base: string, name: string, password: string): Promise<void> {
  await page.goto(`${base}/`);
  await page.locator("input[name=username]").fill(name);
  await page.locator("input[name=password]").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}
