import type { Random } from "../platform/platform.ts";

/** Crockford's base32: no I, L, O and U, so that nothing is misread on a console, and no word comes out. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** 40 bits: with five tries an hour, and argon2id before each guess of whoever has recorded a proof, as good as many more. */
const CHARACTERS = 8;
const GROUP = 4;

/** Eight characters, without the dash. */
export function newJoinCode(random: Random): string {
  return [...random.bytes(CHARACTERS)].map((byte) => ALPHABET[byte % ALPHABET.length]).join("");
}

/** As people see it: "K7QF-2M9X". */
export function showJoinCode(code: string): string {
  return `${code.slice(0, GROUP)}-${code.slice(GROUP)}`;
}

/** What somebody has typed, as eight characters; null when it cannot be a code. Letters that look like a digit are taken for it. */
export function readJoinCode(text: string): string | null {
  const code = text.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  return code.length === CHARACTERS && [...code].every((character) => ALPHABET.includes(character)) ? code : null;
}
