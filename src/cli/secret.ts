import { readFileSync } from "node:fs";
import { CliError } from "./error.ts";

/** Longer than any password or secret may be, in bytes. */
const BYTES_MAX = 4096;

/**
 * A secret that is in no argument, where every user of the machine and the shell's history would see it: the first line of `file`, "-" for
 * the standard input, or typed unseen.
 */
export async function readSecret(file: string | undefined, question: string): Promise<string> {
  if (file !== undefined) return firstLine(file);
  if (!process.stdin.isTTY) throw new CliError(`${question}: there is no terminal to ask on; give a file, or - for the standard input`);
  return await typedUnseen(`${question}: `);
}

/** Asks twice for one that is new. */
export async function readNewSecret(file: string | undefined, question: string): Promise<string> {
  const secret = await readSecret(file, question);
  if (file === undefined && (await readSecret(undefined, `${question}, once more`)) !== secret) throw new CliError("the two are not the same; nothing was changed");
  return secret;
}

function firstLine(file: string): string {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${(error as Error).message}`);
  }
  if (text.length > BYTES_MAX) throw new CliError(`${file === "-" ? "the standard input" : file} is too long for a secret`);
  return (text.split("\n")[0] ?? "").replace(/\r$/, "");
}

function typedUnseen(question: string): Promise<string> {
  process.stderr.write(question);
  const { stdin } = process;
  return new Promise((resolve, reject) => {
    let typed = "";
    const end = (result: () => void): void => {
      stdin.setRawMode(false);
      stdin.pause();
      stdin.off("data", take);
      process.stderr.write("\n");
      result();
    };
    const take = (chunk: Buffer): void => {
      for (const character of chunk.toString("utf8")) {
        if (character === "\r" || character === "\n") return end(() => resolve(typed));
        if (character === "\x03" || character === "\x04") return end(() => reject(new CliError("nothing was changed")));
        if (character === "\x7f" || character === "\b") typed = [...typed].slice(0, -1).join("");
        else if (character >= " " && typed.length < BYTES_MAX) typed += character;
      }
    };
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on("data", take);
  });
}

/** A question that only "yes" answers. */
export async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  process.stderr.write(`${question} `);
  const { stdin } = process;
  return await new Promise((resolve) => {
    stdin.resume();
    stdin.once("data", (chunk: Buffer) => {
      stdin.pause();
      resolve(chunk.toString("utf8").trim().toLowerCase() === "yes");
    });
  });
}
