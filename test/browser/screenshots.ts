import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { Verifier } from "../initiator/verifier.ts";
import { ask, makeUser, openBrowserTrial, PASSWORD, type BrowserTrial } from "./browser-trial.ts";
import { logIn, openPage } from "./chromium.ts";

/** Writes every page, in light and dark, wide and narrow, into a folder: for people to look at. */

interface Shot {
  readonly name: string;
  readonly path: string;
  readonly act?: (page: Page) => Promise<void>;
}

const SCHEMES = ["light", "dark"] as const;
const WIDTHS = [
  { width: 1440, height: 900 },
  { width: 390, height: 844 },
] as const;
/** So that the charts have something to show. */
const LOAD_MS = 75_000;
/** Data that is still on its way, and what moves. */
const SETTLE_MS = 900;
const INITIATOR = "iqn.1993-08.org.debian:01:5c1d7a90e2b4";

const click = (role: "button" | "tab" | "menuitem", name: string | RegExp) => async (page: Page): Promise<void> => {
  await page.getByRole(role, { name }).first().click();
};
const HEALTHY: readonly Shot[] = [
  { name: "dashboard", path: "/" },
  { name: "volumes", path: "/volumes" },
  { name: "volume", path: "/volumes/postgres" },
  { name: "volume-vmware", path: "/volumes/vmfs-datastore-01", act: click("tab", "VMware") },
  { name: "volume-create", path: "/volumes", act: click("button", "Create volume") },
  {
    name: "volume-create-hosts",
    path: "/volumes",
    act: async (page) => {
      await click("button", "Create volume")(page);
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel(/^Name/).fill("archive");
      await dialog.getByLabel(/^Size/).fill("20 TiB");
      await dialog.getByRole("button", { name: "Next: hosts" }).click();
      await dialog.getByLabel("A new host").check();
    },
  },
  { name: "volume-delete", path: "/volumes/postgres", act: click("button", "Delete") },
  { name: "hosts", path: "/hosts" },
  { name: "host-edit", path: "/hosts", act: click("button", /^Edit esx1/) },
  { name: "servers", path: "/servers" },
  { name: "drive", path: "/servers", act: async (page) => await page.locator("[data-drive]").first().click() },
  { name: "drive-add", path: "/servers", act: click("button", "Add a drive to server1") },
  { name: "server-join", path: "/servers", act: click("button", "Add server") },
  { name: "settings-notifications", path: "/settings/notifications" },
  { name: "settings-users", path: "/settings/users" },
  { name: "settings-failures", path: "/settings/resilience" },
  { name: "settings-network", path: "/settings/network" },
  { name: "settings-about", path: "/settings/about" },
  { name: "audit", path: "/audit" },
];
const DEGRADED: readonly Shot[] = [
  { name: "degraded-dashboard", path: "/" },
  { name: "degraded-servers", path: "/servers" },
  { name: "degraded-alerts", path: "/alerts" },
  { name: "degraded-events", path: "/alerts", act: click("tab", "Events") },
];

const folder = process.argv[2] ?? "dist/screenshots";
const only = process.argv[3];
mkdirSync(folder, { recursive: true });
const its = await openBrowserTrial({ driveSize: "4GiB" });
let load: Verifier | null = null;
try {
  await makeUser(its.trial, { name: "operations", role: "viewer", password: PASSWORD });
  await shoot(its, [{ name: "volumes-empty", path: "/volumes" }, { name: "alerts-empty", path: "/alerts" }]);
  await furnish(its);
  load = new Verifier({ urls: its.trial.servers.map(({ portal }) => `iscsi://${portal}/${its.trial.report.target}/0`), initiatorName: INITIATOR, blocks: 65_536 });
  load.start();
  await Bun.sleep(LOAD_MS);
  await login(its);
  await shoot(its, HEALTHY);
  await its.trial.must("trial", "kill-server", "server3");
  await its.trial.health("degraded", "server3");
  await Bun.sleep(LOAD_MS / 15);
  await shoot(its, DEGRADED);
} finally {
  await load?.stop().catch(() => {});
  await its.end();
}

async function furnish({ trial }: BrowserTrial): Promise<void> {
  const GIB = 2 ** 30;
  for (const [name, gib, factor] of [["postgres", 2, 1], ["mail", 4, 2], ["vmfs-datastore-01", 8, 1], ["vmfs-datastore-02", 8, 1], ["backup", 1, 1]] as const) await ask(trial, "POST", "/volumes", { name, sizeBytes: gib * GIB, factor });
  await ask(trial, "POST", "/hosts", { name: "db1", iqns: [INITIATOR] });
  await ask(trial, "POST", "/hosts", { name: "esx1", iqns: ["iqn.1998-01.com.vmware:esx1-4c2f77aa"], chap: { user: "esx", secret: "twelve or more" } });
  await ask(trial, "POST", "/hosts", { name: "esx2", iqns: ["iqn.1998-01.com.vmware:esx2-19ab03d5"], chap: { user: "esx", secret: "twelve or more" } });
  await ask(trial, "POST", "/hosts", { name: "exchange", iqns: ["iqn.1991-05.com.microsoft:exchange.example.com"] });
  for (const [volume, host] of [["postgres", "db1"], ["mail", "exchange"], ["vmfs-datastore-01", "esx1"], ["vmfs-datastore-01", "esx2"], ["vmfs-datastore-02", "esx1"], ["vmfs-datastore-02", "esx2"]]) await ask(trial, "POST", "/mappings", { volume, host });
  await ask(trial, "POST", "/notifications", { mail: { enabled: true, host: "mail.example.com", port: 587, security: "starttls", user: "storage", password: "secret", from: "storage@example.com", to: ["ops@example.com", "oncall@example.com"] } });
}

async function login({ browser, base }: BrowserTrial): Promise<void> {
  for (const colorScheme of SCHEMES) {
    for (const viewport of WIDTHS) {
      const { page } = await openPage(browser, { colorScheme, viewport });
      await logIn(page, base(), "admin", "a wrong one");
      await page.getByRole("alert").waitFor();
      await page.screenshot({ path: join(folder, `login-${colorScheme}-${viewport.width}.png`) });
      await page.context().close();
    }
  }
}

async function shoot({ browser, base, password }: BrowserTrial, shots: readonly Shot[]): Promise<void> {
  const { page: first } = await openPage(browser);
  await logIn(first, base(), "admin", password);
  await first.getByRole("heading", { name: "Dashboard" }).waitFor();
  const storageState = await first.context().storageState();
  await first.context().close();
  for (const colorScheme of SCHEMES) {
    for (const viewport of WIDTHS) {
      const { page, wrong } = await openPage(browser, { colorScheme, viewport, storageState });
      for (const { name, path, act } of shots.filter((shot) => only === undefined || shot.name.includes(only))) {
        await page.goto(`${base()}${path}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.waitForTimeout(SETTLE_MS);
        await act?.(page);
        await page.waitForTimeout(SETTLE_MS);
        await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${viewport.width}.png`), fullPage: true });
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (sideways > 0) console.log(`${name} at ${viewport.width}: ${sideways} pixels too wide`);
      }
      for (const what of wrong) console.log(`${colorScheme} ${viewport.width}: ${what}`);
      await page.context().close();
    }
  }
}
