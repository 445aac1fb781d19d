import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { Verifier } from "../initiator/verifier.ts";
import { SmtpSink } from "../receivers/smtp-sink.ts";
import { SCENARIO_MS } from "../scenarios/trial-under-test.ts";
import { makeUser, openBrowserTrial, PASSWORD, type BrowserTrial } from "./browser-trial.ts";
import { logIn, openPage, WAIT_MS } from "./chromium.ts";

const INITIATOR = "iqn.2026-01.com.example:browser";
const CHANGED_PASSWORD = "another password, changed";
let its: BrowserTrial;
let page: Page;
let wrong: string[] = [];
let load: Verifier | null = null;

// One trial for the whole walk, as an administrator takes it: each test goes on where the one before ended.
beforeAll(async () => {
  its = await openBrowserTrial();
  ({ page, wrong } = await openPage(its.browser));
}, SCENARIO_MS);
afterAll(async () => {
  await load?.stop().catch(() => {});
  await its.end();
}, SCENARIO_MS);
/** No script failed, nothing was forbidden by the page's policy, nothing was asked of anybody else. */
afterEach(() => expect(wrong).toEqual([]));

async function go(name: string): Promise<void> {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
  await page.getByRole("heading", { level: 1, name }).waitFor();
}

test("a wrong password is refused with a sentence, the right one leads to the dashboard", async () => {
  await logIn(page, its.base(), "admin", "not the password");
  await page.getByRole("alert").getByText("Name or password is wrong.").waitFor();
  await logIn(page, its.base(), "admin", its.password);
  await page.getByRole("heading", { level: 1, name: "Dashboard" }).waitFor();
  await page.locator('[data-health="healthy"]').getByText("3 servers and 6 drives are up").waitFor();
}, SCENARIO_MS);

test("the password is changed, the session goes on, and the old one opens nothing any more", async () => {
  await page.getByRole("button", { name: "User admin" }).click();
  await page.getByRole("menuitem", { name: "Change password" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Password now/).fill(its.password);
  await dialog.getByLabel(/^New password \*/).fill(CHANGED_PASSWORD);
  await dialog.getByLabel(/^New password again/).fill(CHANGED_PASSWORD);
  await dialog.getByRole("button", { name: "Change password" }).click();
  await page.getByText("Your other sessions have ended.").waitFor();
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Dashboard" }).waitFor();

  const other = await openPage(its.browser);
  await logIn(other.page, its.base(), "admin", its.password);
  await other.page.getByRole("alert").getByText("Name or password is wrong.").waitFor();
  await other.page.context().close();
}, SCENARIO_MS);

test("a volume is created for a new host, and the steps to connect it name target, portals and initiator", async () => {
  await go("Volumes");
  await page.getByText("There is no volume yet").waitFor();
  await page.getByRole("button", { name: "Create volume" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Name/).fill("db");
  await dialog.getByLabel(/^Size/).fill("512 MiB");
  await dialog.getByRole("button", { name: "Next: hosts" }).click();
  await dialog.getByLabel("A new host").check();
  await dialog.getByLabel(/^Host name/).fill("browser");
  await dialog.getByLabel(/^Initiator names/).fill(INITIATOR);
  await dialog.getByRole("button", { name: "Create and map" }).click();
  await dialog.getByText("Volume db is there").waitFor();
  for (const system of ["Linux", "VMware", "Windows"]) {
    await dialog.getByRole("tab", { name: system }).click();
    const steps = await dialog.getByRole("tabpanel", { name: system }).innerText();
    expect(steps).toContain(INITIATOR);
    if (system !== "VMware") expect(steps).toContain(its.trial.report.target);
    const portals = its.trial.servers.map(({ portal }) => (system === "Windows" ? (portal.split(":")[0] ?? "") : portal));
    for (const portal of system === "Linux" ? portals.slice(0, 1) : portals) expect(steps).toContain(portal);
  }
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.locator('[data-row="db"]').getByText("browser, LUN 0").waitFor();
  await page.locator('[data-row="db"]').getByText("512 MiB").waitFor();
}, SCENARIO_MS);

test("a mistake in a form is answered with the server's sentence and nothing is lost", async () => {
  await page.getByRole("button", { name: "Create volume" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Name/).fill("db");
  await dialog.getByLabel(/^Size/).fill("much");
  await dialog.getByText("This is no size").waitFor();
  expect(await dialog.getByRole("button", { name: "Next: hosts" }).isDisabled()).toBe(true);
  await dialog.getByLabel(/^Size/).fill("1 GiB");
  await dialog.getByRole("button", { name: "Next: hosts" }).click();
  await dialog.getByRole("button", { name: "Create without a host" }).click();
  await dialog.getByRole("alert").getByText("There is a volume db already.").waitFor();
  await dialog.getByRole("button", { name: "Back" }).click();
  expect(await dialog.getByLabel(/^Name/).inputValue()).toBe("db");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
}, SCENARIO_MS);

test("a real initiator's sessions are shown, and its writes move the charts", async () => {
  const urls = its.trial.servers.map(({ portal }) => `iscsi://${portal}/${its.trial.report.target}/0`);
  load = new Verifier({ urls, initiatorName: INITIATOR, blocks: 32_768 });
  load.start();
  await load.progress(50);
  await page.locator('[data-row="db"]').getByRole("link", { name: "db" }).click();
  const sessions = page.getByRole("region", { name: "Sessions" });
  for (const { name } of its.trial.servers) await sessions.getByRole("cell", { name, exact: true }).first().waitFor();
  await go("Dashboard");
  const writes = page.locator('[data-field="writeIops"]');
  await page.waitForFunction(() => Number(document.querySelector('[data-field="writeIops"]')?.textContent?.replace(/,/g, "")) > 0, null, { timeout: WAIT_MS });
  expect(Number((await writes.innerText()).replace(/,/g, ""))).toBeGreaterThan(0);
  await page.getByRole("region", { name: "Throughput" }).locator("svg path.recharts-area-area").first().waitFor({ state: "attached" });
}, SCENARIO_MS);

test("a server that dies changes the sentence, raises an alert that can be acknowledged, and all clears when it is back", async () => {
  await go("Dashboard");
  await its.trial.must("trial", "kill-server", "server3");
  const health = page.locator("[data-health]");
  await page.locator('[data-health="degraded"]').waitFor();
  await health.getByText("server3 stopped answering").waitFor();
  await page.locator('[data-alert="server-down"]').first().waitFor();
  await page.locator('[data-alert="server-down"]').getByRole("button", { name: "Acknowledge" }).click();
  await page.locator('[data-alert="server-down"]').getByText("acknowledged by admin").waitFor();
  await its.trial.must("trial", "start-server", "server3");
  await page.locator('[data-health="healthy"]').waitFor();
  await page.locator('[data-alert="server-down"]').waitFor({ state: "detached" });
}, SCENARIO_MS);

test("a mail channel is set up, its password is never told back, and the test mail arrives", async () => {
  const login = { user: "storage", password: "mail secret" };
  const sink = await SmtpSink.start({ login });
  try {
    await go("Settings");
    const form = page.getByRole("form", { name: "E-mail" });
    await form.getByLabel("Send alerts by e-mail").check();
    await form.getByLabel(/^Mail server/).fill("127.0.0.1");
    await form.getByRole("combobox", { name: "Security" }).click();
    await page.getByRole("option", { name: "None (25)" }).click();
    await form.getByLabel(/^Port/).fill(String(sink.port));
    await form.getByLabel(/^User/).fill(login.user);
    await form.locator('input[type="password"]').fill(login.password);
    await form.getByLabel(/^From/).fill("storage@example.com");
    await form.getByLabel("To", { exact: true }).fill("operations@example.com");
    await page.keyboard.press("Enter");
    await form.getByRole("button", { name: "Save" }).click();
    await form.getByRole("button", { name: "Send a test" }).click();
    await form.getByRole("status").waitFor();
    const mail = await sink.mail(({ to }) => to.includes("operations@example.com"));
    expect(mail.from).toBe("storage@example.com");
    expect(mail.user).toBe(login.user);
    await page.reload();
    await form.getByText("Set; empty: it stays").waitFor();
    expect(await form.locator('input[type="password"]').inputValue()).toBe("");
  } finally {
    await sink.stop();
  }
}, SCENARIO_MS);

test("a viewer sees every page and no action", async () => {
  await makeUser(its.trial, { name: "looks", role: "viewer", password: PASSWORD });
  const viewer = await its.visit("looks", PASSWORD);
  for (const path of ["/", "/volumes", "/volumes/db", "/hosts", "/servers", "/alerts", "/settings/notifications", "/settings/resilience", "/settings/network", "/settings/about", "/audit"]) {
    await viewer.page.goto(`${its.base()}${path}`);
    await viewer.page.getByRole("heading", { level: 1 }).waitFor();
    await viewer.page.locator("[aria-busy]").first().waitFor({ state: "detached" });
    const names = await viewer.page.locator("main").getByRole("button").allInnerTexts();
    expect(names.filter((name) => /create|add|map|grow|delete|edit|save|send|drain|remove|acknowledge|release/i.test(name)), path).toEqual([]);
    expect(await viewer.page.getByText("This cannot be shown now").count(), path).toBe(0);
  }
  expect(await viewer.page.getByRole("tab", { name: "Users" }).count()).toBe(0);
  expect(viewer.wrong).toEqual([]);
  await viewer.page.context().close();
}, SCENARIO_MS);

test("a drive is added to a server, and data moves to it", async () => {
  await go("Servers and drives");
  const server = page.locator('[data-server="server1"]');
  await server.locator("[data-drive]").nth(1).waitFor();
  const before = await server.locator("[data-drive]").evaluateAll((bays) => bays.map((bay) => bay.getAttribute("data-drive")));
  await server.getByRole("button", { name: "Add a drive to server1" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Directory/).fill(join(its.trial.directory, "server1", "one-more"));
  await dialog.getByLabel(/^Size/).fill("1 GiB");
  await dialog.getByRole("button", { name: "Add drive" }).click();
  await dialog.waitFor({ state: "detached" });
  await server.locator("[data-drive]").nth(2).waitFor();
  const after = await server.locator("[data-drive]").evaluateAll((bays) => bays.map((bay) => bay.getAttribute("data-drive")));
  const fresh = after.find((id) => !before.includes(id));
  // Groups move to it: it fills without anybody doing more.
  await page.waitForFunction((id) => /^(?!0 B |\?)/.test(document.querySelector(`[data-drive="${id}"]`)?.textContent?.match(/[\d.]+ [KMG]?i?B of/)?.[0] ?? "0 B "), fresh, { timeout: WAIT_MS });
}, SCENARIO_MS);

test("when the server dies that the page came from, the page says so, keeps what it knew and names the others", async () => {
  await go("Volumes");
  await page.locator('[data-row="db"]').waitFor();
  await its.trial.must("trial", "kill-server", "server1");
  const banner = page.getByRole("alert").filter({ hasText: "does not answer" });
  await banner.waitFor();
  await banner.getByRole("link", { name: "server2" }).waitFor();
  await page.locator('[data-row="db"]').waitFor();
  await its.trial.must("trial", "start-server", "server1");
  await banner.waitFor({ state: "detached" });
}, SCENARIO_MS);
