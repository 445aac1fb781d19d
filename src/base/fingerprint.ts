/** Of a SHA-256: as much as nobody can find a second certificate for, in a text that people still compare. */
const FINGERPRINT_DIGITS = 32;

/** What a person compares on two screens: the first half of a certificate's SHA-256 (64 hexadecimal digits), as XXXX-XXXX-... */
export function fingerprintText(sha256: string): string {
  return (plain(sha256).match(/.{4}/g) ?? []).join("-");
}

/** Two fingerprints as people type them: dashes, colons, blanks and small letters do not count. */
export function isSameFingerprint(a: string, b: string): boolean {
  return plain(a).length === FINGERPRINT_DIGITS && plain(a) === plain(b);
}

function plain(text: string): string {
  return text.replace(/[\s:-]/g, "").toUpperCase().slice(0, FINGERPRINT_DIGITS);
}
