import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { importRules } from "./tidy/imports.ts";
import { readSource, type Source } from "./tidy/source.ts";
import { LINES_MAX, styleRules } from "./tidy/style.ts";

const TOP = join(import.meta.dir, "..");
const FOLDERS = ["src", "test", "bench", "image", "installer"];

function allSources(): Source[] {
  return FOLDERS.filter((folder) => existsSync(join(TOP, folder))).flatMap((folder) =>
    readdirSync(join(TOP, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => join(folder, name))
      .sort()
      .map((path) => readSource(path, readFileSync(join(TOP, path), "utf8"))),
  );
}

const imports = (path: string, text: string): string[] => importRules(readSource(path, text));
const style = (path: string, text: string): string[] => styleRules(readSource(path, text));

describe("the project", () => {
  const sources = allSources();
  test("has sources to look at", () => expect(sources.length).toBeGreaterThan(20));
  test("imports only along the stairs, keeps packages in their rooms and has one door to the outside", () => {
    expect(sources.flatMap(importRules)).toEqual([]);
  });
  test("keeps to the rules of style", () => expect(sources.flatMap(styleRules)).toEqual([]));
});

describe("the rule of imports", () => {
  test("finds a step up the stairs, type-only, dynamic or re-exported", () => {
    for (const text of [
      'import { open } from "../../volume/volume.ts";',
      'import type { Volume } from "../../volume/volume.ts";',
      'import {\n  one,\n  two,\n} from "../../volume/volume.ts";',
      'export { open } from "../../volume/volume.ts";',
      'export type * from "../../volume/volume.ts";',
      'const late = await import("../../volume/volume.ts");',
      'let kind: import("../../volume/volume.ts").Volume;',
      'import "../../volume/volume.ts";',
    ]) {
      expect(imports("src/storage/drive/drive.ts", text)).toEqual(["src/storage/drive/drive.ts imports volume/volume.ts, which storage must not"]);
    }
  });
  test("lets go down the stairs, and beside", () => {
    expect(imports("src/storage/drive/drive.ts", 'import { x } from "../../base/assert.ts";\nimport { y } from "./journal.ts";')).toEqual([]);
    expect(imports("src/trial.ts", 'import { x } from "./iscsi/session.ts";')).toEqual([]);
  });
  test("lets scsi see the interface of a volume and no more of it", () => {
    expect(imports("src/scsi/read.ts", 'import type { Volume } from "../volume/volume.ts";')).toEqual([]);
    expect(imports("src/scsi/read.ts", 'import type { Split } from "../volume/split.ts";')).toHaveLength(1);
  });
  test("tells types from code where only types may be seen", () => {
    expect(imports("src/cli/client.ts", 'import type { StatusAnswer } from "../management/api.ts";')).toEqual([]);
    expect(imports("src/cli/client.ts", 'import { status } from "../management/api.ts";')).toHaveLength(1);
    expect(imports("src/cluster/map.ts", 'import { realClock } from "../platform/clock.ts";')).toHaveLength(1);
  });
  test("finds a folder that nobody has put into the table", () => {
    expect(imports("src/extras/thing.ts", "")).toHaveLength(1);
  });
  test("finds a package outside its room, and one without a room", () => {
    expect(imports("src/iscsi/login.ts", 'import * as v from "valibot";')).toHaveLength(1);
    expect(imports("src/iscsi/login.ts", 'import pad from "left-pad";')).toHaveLength(1);
    expect(imports("src/management/app.ts", 'import { cors } from "hono/cors";')).toEqual([]);
  });
  test("does not take comments and strings for imports", () => {
    expect(imports("src/base/a.ts", '// import x from "../volume/volume.ts";\n/* import "../scsi/b.ts"; */\nconst s = `\nimport "../scsi/c.ts";`;')).toEqual([]);
  });
});

describe("the rule of the one door", () => {
  const leaks = [
    "const now = Date.now();", "new Date();", "performance.now();", "setTimeout(run, 1);", "setInterval(run, 1);", "Math.random();", "crypto.randomUUID();",
    "Bun.file(path);", "await fetch(url);", "fetch(first ? a : b);", "process.env;", 'import { readFile } from "node:fs";', 'import { Database } from "bun:sqlite";',
    "const text = `${Date.now()}`;", "const text = `a ${`b ${Math.random()}`} c`;", "const half = total / 2; const at = Date.now(); const third = total / 3;",
  ];
  test("finds every way past the platform", () => {
    for (const text of leaks) expect({ text, found: imports("src/storage/group/primary.ts", text).length }).toEqual({ text, found: 1 });
  });
  test("leaves the folders alone that have the outside in their own hands", () => {
    for (const path of ["src/platform/clock.ts", "src/management/database/open.ts", "src/trial/run.ts", "src/main.ts", "test/x.test.ts"]) {
      for (const text of leaks) expect(imports(path, text)).toEqual([]);
    }
    expect(imports("src/management/app.ts", "Date.now();")).toHaveLength(1);
  });
  test("does not take words, members and strings for a leak", () => {
    for (const text of ["// Date.now() is not here", 'const s = "Date and fetch( and Bun.";', "app.fetch(request);", "this.#fetch(range);", "class A { fetch(range: Range): void {} }", "class A { fetch(): void {} }", "const DateText = 1;", "const r = /Date|`|'/;", "const t = `Date`;"]) {
      expect(imports("src/monitor/plan.ts", text)).toEqual([]);
    }
  });
});

describe("the rules of style", () => {
  test("find what they are for", () => {
    for (const text of [
      "let x: any;", "const x = y as any;", "const x: any[] = [];", "function f(x: Map<string, any>) {}", "enum State { on }", "export const enum State { on }",
      `// @ts-${"ignore"}`, `// @ts-${"expect-error"}: later`, `// ${"TO"}DO: later`, 'test.only("x", run);', 'describe.skip("x", run);',
      'import { x } from "./thing";', 'export * from "./thing.ts";', "line\n".repeat(LINES_MAX + 1),
    ]) {
      expect({ text, found: style("src/base/thing.ts", text).length }).toEqual({ text, found: 1 });
    }
    expect(style("src/base/utils.ts", "const x = 1;")).toHaveLength(1);
    expect(style("src/base/index.ts", "const x = 1;")).toHaveLength(1);
  });
  test("tell the prose of a page from its types", () => {
    expect(style("src/web/page.tsx", "const a = <p>Ask any server, or any other.</p>;")).toEqual([]);
    for (const text of ["const x: any = 1;", "f(y as any);", "let z: Map<string, any>;", "type A = string | any;", "type B = readonly any[];", "function f<T extends any>() {}"]) expect(style("src/web/page.tsx", text)).toHaveLength(1);
  });
  test("leave good code alone", () => {
    for (const text of ["const first = await Promise.any(all);", "// any of them", 'const s = "as any";', "line\n".repeat(LINES_MAX), 'export { x } from "./x.ts";\nexport const y = 1;', "test.skipIf(no)('x', run);"]) {
      expect(style("src/base/thing.ts", text)).toEqual([]);
    }
  });
});
