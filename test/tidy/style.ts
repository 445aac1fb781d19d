import { basename } from "node:path";
import type { Source } from "./source.ts";

export const LINES_MAX = 400;
const CATCH_ALL_NAMES = /^(utils?|helpers?|common|misc|shared-utils?)\.tsx?$/;

/** Spelled apart, so that this file does not break its own rules. */
const LEFT_UNDONE = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`);
const UNCHECKED = new RegExp(`@ts-(${["ign" + "ore", "expect-" + "error", "no" + "check"].join("|")})`);

export function styleRules(source: Source): string[] {
  const { path, text, code } = source;
  const found: string[] = [];
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  if (lines > LINES_MAX) found.push(`${path} has ${lines} lines, more than ${LINES_MAX}: about one thing each?`);
  // The text between a page's tags is prose: there only what stands where a type does counts.
  const untyped = path.endsWith(".tsx") ? /(?:[:<|&,=(]\s*|\b(?:as|readonly|extends|keyof|satisfies)\s+)any\b(?!\s*[(:?\w])/ : /(?<![.\w])any\b(?!\s*[(:?])/;
  if (untyped.test(code)) found.push(`${path} uses the type any`);
  if (/(?<![.\w])enum\s+\w/.test(code)) found.push(`${path} declares an enum; a union of strings says the same`);
  if (UNCHECKED.test(text)) found.push(`${path} switches the type check off`);
  if (LEFT_UNDONE.test(text)) found.push(`${path} leaves something undone`);
  if (/\b(test|it|describe)\.(only|skip|todo)\b/.test(code)) found.push(`${path} leaves a test out`);
  if (CATCH_ALL_NAMES.test(basename(path))) found.push(`${path}: a file is named after what is in it`);
  if (isBarrel(source)) found.push(`${path} only passes on what others export`);
  for (const { specifier } of source.imports) {
    if (specifier.startsWith(".") && !/\.(tsx?|css|json|html|svg|txt|md)$/.test(specifier)) found.push(`${path} imports ${specifier} without its suffix`);
  }
  return found;
}

/** Nothing but `export ... from`. */
function isBarrel({ path, code }: Source): boolean {
  if (/^index\.tsx?$/.test(basename(path))) return true;
  const rest = code.replace(/\bexport\s+(type\s+)?(\*(\s+as\s+\w+)?|\{[^}]*\})\s*from\s*["'][^"']*["'];?/g, "");
  return rest !== code && rest.trim() === "";
}
