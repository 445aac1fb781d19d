/** A machine's serial console: what `Machine` has of it. */
export interface ConsoleKeys {
  send(keys: string): void;
  /** Waits until the screen shows it; throws with the screen when it does not come. */
  expect(pattern: RegExp, withinMs: number): Promise<RegExpExecArray>;
}

export const ENTER = "\r";
export const DOWN = "\x1b[B";

/** An emulated machine on a busy one: from power-on to the first screen, for a page, and for the whole installation. */
const START_WITHIN_MS = 900_000;
const PAGE_WITHIN_MS = 180_000;
const INSTALL_WITHIN_MS = 900_000;
/** A server has fewer drives than that. */
const DRIVES_MAX = 100;

export interface InstallByKeys {
  /** Of the drive that becomes the system drive. */
  readonly serial: string;
  /** What the installer finds on it: "system" is an earlier VirtuStor, whose state is kept. */
  readonly holds: "nothing" | "system";
}

/**
 * Installs as a person does who sits before the console: from power-on with the medium in to "remove the medium". Gives the number
 * of keys that were pressed. Enter would restart the machine then.
 */
export async function installByKeys(machine: ConsoleKeys, { serial, holds }: InstallByKeys): Promise<number> {
  let pressed = 0;
  const press = (keys: string, count = 1): void => {
    machine.send(keys);
    pressed += count;
  };
  await machine.expect(/> Install VirtuStor/, START_WITHIN_MS);
  press(ENTER);
  await machine.expect(/Enter: go on {3}R: check again/, PAGE_WITHIN_MS);
  press(ENTER);
  await machine.expect(/Which drive shall the system be on\?/, PAGE_WITHIN_MS);
  for (let tries = 0; ; tries++) {
    if (tries > DRIVES_MAX) throw new Error(`the installer does not offer the drive ${serial}`);
    const found = await machine.expect(/Serial number (.+)\. On it:|Not possible:/, PAGE_WITHIN_MS);
    if (found[1] === serial) break;
    press(DOWN);
    await Bun.sleep(1_000);
  }
  press(ENTER);
  if (holds === "system") {
    await machine.expect(/> Install again and keep the state/, PAGE_WITHIN_MS);
    press(ENTER);
  }
  const [, word = ""] = await machine.expect(/type (\S+) and press Enter/, PAGE_WITHIN_MS);
  await machine.expect(new RegExp(`Serial +${serial}`), PAGE_WITHIN_MS);
  press(word, word.length);
  press(ENTER);
  const failed = /The installation failed/;
  const [end] = await machine.expect(new RegExp(`VirtuStor \\S+ is installed on|${failed.source}[^]*`), INSTALL_WITHIN_MS);
  if (failed.test(end)) throw new Error(end);
  return pressed;
}
