import { afterEach, describe, expect, test } from "bun:test";
import { Text } from "ink";
import { useState, type ReactNode } from "react";
import { CheckList } from "../../../src/console/widgets/check-list.tsx";
import { ConfirmTyped, ConfirmYes } from "../../../src/console/widgets/confirm.tsx";
import { Form, type FormProblem } from "../../../src/console/widgets/form.tsx";
import { Frame } from "../../../src/console/widgets/frame.tsx";
import { Menu } from "../../../src/console/widgets/menu.tsx";
import { ErrorBox, Facts } from "../../../src/console/widgets/message.tsx";
import { ProgressBar, StepList } from "../../../src/console/widgets/progress.tsx";
import { openScreen, type TestScreen } from "../screen.ts";

let screen: TestScreen;
afterEach(() => screen.close());
const open = (node: ReactNode, size?: { columns: number; rows: number }): TestScreen => (screen = openScreen(node, size));

describe("the frame", () => {
  test("fills the terminal: title above, keys below, what must be said on every screen under the title", () => {
    open(<Frame title="Drives" right="server-1" notice="EVALUATION, ONE COPY" keys={[{ key: "Enter", does: "next" }, { key: "Esc", does: "back" }]}><Text>body</Text></Frame>, { columns: 80, rows: 25 });
    const lines = screen.text().split("\n");
    expect(lines).toHaveLength(25);
    expect(lines[0]).toMatch(/^ Drives {50,}server-1$/);
    expect(lines[1]).toBe(" EVALUATION, ONE COPY");
    expect(lines[3]).toBe(" body");
    expect(lines[24]).toBe(" Enter: next   Esc: back");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
  });
  test("says on every screen what was said once for all of them", () => {
    screen = openScreen(<Frame title="t" notice="one copy" keys={[]} />, { columns: 80, rows: 25 }, "nothing is kept");
    expect(screen.text().split("\n").slice(0, 3)).toEqual([" t", " nothing is kept", " one copy"]);
  });
  test("cuts a body that is too long instead of losing its footer", () => {
    open(<Frame title="t" keys={[{ key: "Esc", does: "back" }]}>{Array.from({ length: 40 }, (_, index) => <Text key={index}>{`line ${index}`}</Text>)}</Frame>, { columns: 80, rows: 24 });
    const lines = screen.text().split("\n");
    expect(lines).toHaveLength(24);
    expect(lines[23]).toBe(" Esc: back");
  });
});

describe("a menu", () => {
  const items = [{ id: "a", label: "Alpha", detail: "The first." }, { id: "b", label: "Beta", disabled: "there is only one" }, { id: "c", label: "Gamma" }] as const;
  test("moves by arrows and letters and chooses with Enter", () => {
    const chosen: string[] = [];
    open(<Menu items={items} onSelect={(id) => chosen.push(id)} />);
    expect(screen.text()).toContain(" > Alpha");
    expect(screen.text()).toContain("The first.");
    screen.press("up", "enter", "down", "down", "down", "enter");
    screen.type("a");
    screen.press("enter");
    expect(chosen).toEqual(["a", "c", "a"]);
  });
  test("says why an item is not to be had, and does not choose it", () => {
    const chosen: string[] = [];
    open(<Menu items={items} initial="b" onSelect={(id) => chosen.push(id)} />);
    screen.press("enter");
    expect(screen.text()).toContain("Not possible: there is only one");
    expect(chosen).toEqual([]);
  });
  test("longer than its rows scrolls with the cursor", () => {
    open(<Menu items={Array.from({ length: 30 }, (_, index) => ({ id: String(index), label: `item ${index}` }))} rows={5} onSelect={() => undefined} />);
    screen.press("end");
    expect(screen.text()).toContain("> item 29");
    expect(screen.text()).not.toContain("item 20");
    expect(screen.text()).toContain("30 of 30");
  });
});

function Names({ submitted, back }: { submitted: string[]; back: string[] }): ReactNode {
  const [name, setName] = useState("srv");
  const [password, setPassword] = useState("");
  const [mode, setMode] = useState("dhcp");
  const [on, setOn] = useState(false);
  const [problem, setProblem] = useState<FormProblem<"name" | "password" | "mode" | "on"> | null>(null);
  return (
    <Form
      fields={[
        { kind: "text", id: "name", label: "Name", value: name, hint: "Letters and digits." },
        { kind: "text", id: "password", label: "Password", value: password, secret: true },
        { kind: "choice", id: "mode", label: "Addresses", value: mode, options: [{ id: "dhcp", label: "DHCP" }, { id: "static", label: "static" }] },
        { kind: "toggle", id: "on", label: "VLAN", value: on },
      ]}
      onChange={(id, value) => ({ name: setName, password: setPassword, mode: setMode, on: () => undefined })[id](value)}
      onToggle={(_, value) => setOn(value)}
      onSubmit={() => (name === "" ? setProblem({ field: "name", sentence: "The server needs a name." }) : submitted.push(`${name} ${password} ${mode} ${on}`))}
      onBack={() => back.push("back")}
      problem={problem}
    />
  );
}

describe("a form", () => {
  test("is filled from top to bottom with Enter, and hides a secret", () => {
    const submitted: string[] = [];
    open(<Names submitted={submitted} back={[]} />);
    expect(screen.text()).toContain("Letters and digits.");
    screen.press("clear");
    screen.type("node-7");
    screen.press("enter");
    screen.type("pass word");
    expect(screen.text()).toContain("*********");
    expect(screen.text()).not.toContain("pass word");
    screen.press("enter", "right", "enter");
    screen.type(" ");
    screen.press("enter");
    expect(submitted).toEqual(["node-7 pass word static true"]);
  });
  test("edits in the middle of a text", () => {
    const submitted: string[] = [];
    open(<Names submitted={submitted} back={[]} />);
    screen.press("home", "delete", "right");
    screen.type("X");
    screen.press("end", "backspace", "backspace", "up", "down", "down", "down", "enter");
    expect(submitted).toEqual(["r  dhcp false"]);
  });
  test("goes to the field that a problem is about", () => {
    const submitted: string[] = [];
    open(<Names submitted={submitted} back={[]} />);
    screen.press("clear", "down", "down", "down", "enter");
    expect(screen.text()).toContain("The server needs a name.");
    screen.type("z");
    screen.press("enter", "enter", "enter", "enter");
    expect(submitted).toEqual(["z  dhcp false"]);
  });
  test("goes back with Esc", () => {
    const back: string[] = [];
    open(<Names submitted={[]} back={back} />);
    screen.press("escape");
    expect(back).toEqual(["back"]);
  });
});

describe("a confirmation", () => {
  test("wants the word typed, and says so when it was another", () => {
    const done: string[] = [];
    open(<ConfirmTyped word="ERASE" onConfirm={() => done.push("yes")} onBack={() => done.push("no")}><Text>Everything on it is lost.</Text></ConfirmTyped>);
    expect(screen.text()).toContain("Everything on it is lost.");
    screen.type("yes");
    screen.press("enter");
    expect(screen.text()).toContain("That is not ERASE: nothing was changed.");
    expect(done).toEqual([]);
    screen.press("clear");
    screen.type("erase");
    screen.press("enter");
    expect(done).toEqual(["yes"]);
  });
  test("of yes or no begins with no", () => {
    const done: string[] = [];
    open(<ConfirmYes yes="Restart" no="Go back" onConfirm={() => done.push("yes")} onBack={() => done.push("no")} />);
    screen.press("enter", "down", "enter");
    expect(done).toEqual(["no", "yes"]);
  });
});

function Drives({ done }: { done: string[] }): ReactNode {
  const [checked, setChecked] = useState<readonly string[]>([]);
  const items = [{ id: "sda", label: "sda  1 TB" }, { id: "sdb", label: "sdb  2 TB", disabled: "it is the system drive" }, { id: "sdc", label: "sdc  3 TB", detail: "holds ext4 'backup'" }];
  return <CheckList items={items} checked={checked} onChange={setChecked} onDone={() => done.push(...checked)} />;
}

test("a check list checks with Space, not what is disabled, and ends with Enter", () => {
  const done: string[] = [];
  open(<Drives done={done} />);
  screen.type(" ");
  screen.press("down");
  screen.type(" ");
  expect(screen.text()).toContain("Not possible: it is the system drive");
  screen.press("down");
  screen.type(" ");
  expect(screen.text()).toContain("[x] sdc");
  expect(screen.text()).toContain("holds ext4 'backup'");
  screen.press("enter");
  expect(done).toEqual(["sda", "sdc"]);
});

test("progress shows how far it is, and what failed with why", () => {
  open(
    <>
      <ProgressBar fraction={0.5} label="copying" width={10} />
      <ProgressBar fraction={null} label="asking" width={4} />
      <StepList steps={[{ name: "Certificates", state: "done", detail: "x" }, { name: "Store", state: "failed", detail: "no space" }, { name: "Drives", state: "waiting" }]} />
      <ErrorBox sentence="The drive sdb is too small: use one of at least 16 GiB." />
      <Facts facts={[["Name", "server-1"], ["Address", "10.0.0.1"]]} />
    </>,
  );
  const shown = screen.text();
  for (const line of ["[#####-----]  50 %  copying", "[----]        asking", "[ ok ] Certificates", "[FAIL] Store: no space", "[    ] Drives", "! ", "Name     server-1", "Address  10.0.0.1"]) expect(shown).toContain(line);
});
