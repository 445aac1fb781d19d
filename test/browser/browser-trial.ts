import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import type { UserCreateBody } from "../../src/management/api/users.ts";
import { TrialUnderTest, type TrialShape } from "../scenarios/trial-under-test.ts";
import { logIn, openBrowser, openPage } from "./chromium.ts";

/** Of users that tests make. */
export const PASSWORD = "a long first password";

/** A trial and a browser in front of it. */
export interface BrowserTrial {
  readonly trial: TrialUnderTest;
  readonly browser: Browser;
  /** The first one of the user admin. */
  readonly password: string;
  /** Base URL of a server's web UI, the first one's by default. */
  base(server?: number): string;
  /** A page of somebody who has just logged in, and what went wrong on it. */
  visit(name: string, password: string): Promise<{ readonly page: Page; readonly wrong: string[] }>;
  end(): Promise<void>;
}

export async function openBrowserTrial(shape: TrialShape = {}): Promise<BrowserTrial> {
  const trial = await TrialUnderTest.make({ drives: 2, driveSize: "1GiB", ...shape });
  const base = (server = 0): string => trial.servers[server]?.api ?? "";
  try {
    const browser = await openBrowser(trial.report.caFile);
    return {
      trial,
      browser,
      password: readFileSync(trial.report.passwordFile, "utf8").trim(),
      base,
      async visit(name, password) {
        const opened = await openPage(browser);
        await logIn(opened.page, base(), name, password);
        await opened.page.getByRole("heading", { name: "Dashboard" }).waitFor();
        return opened;
      },
      async end() {
        await browser.close();
        await trial.wipe();
      },
    };
  } catch (error) {
    await trial.wipe();
    throw error;
  }
}

/** Through the API, as a program with the cluster's token. */
export async function ask<T>(trial: TrialUnderTest, method: string, path: string, body?: unknown): Promise<T> {
  const [first] = trial.servers;
  const answer = await fetch(`${first?.api}/api/v1${path}`, {
    method,
    tls: { ca: await Bun.file(trial.report.caFile).text() },
    headers: { authorization: `Bearer ${trial.report.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

export async function makeUser(trial: TrialUnderTest, body: UserCreateBody): Promise<void> {
  await ask(trial, "POST", "/users", body);
}
