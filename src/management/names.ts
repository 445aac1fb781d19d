/** Names of volumes and hosts: they become parts of store keys and of URLs, so nothing in them needs quoting. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const NAME_RULE = "1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit";

/** RFC 7143 4.2.7.1: an iSCSI name is at most 223 bytes. */
const ISCSI_NAME_BYTES_MAX = 223;
/** RFC 7143 4.2.7.3 to 4.2.7.5: iqn.YYYY-MM.REVERSED-DOMAIN[:ANYTHING], eui.16 hex digits, naa.16 or 32 hex digits. */
const IQN = /^iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[a-z0-9.:-]+)?$/;
const EUI = /^eui\.[0-9a-f]{16}$/;
const NAA = /^naa\.([0-9a-f]{16}|[0-9a-f]{32})$/;

/** The name in the one form in which names are compared (lower case, RFC 7143 4.2.7.2), or null when it is no iSCSI name. */
export function initiatorName(text: string): string | null {
  const name = text.toLowerCase();
  if (name.length > ISCSI_NAME_BYTES_MAX) return null;
  return IQN.test(name) || EUI.test(name) || NAA.test(name) ? name : null;
}

/** RFC 7143 12.1.3 asks for 96 bits; every initiator takes 12 to 16 characters, some take longer ones. */
export const CHAP_SECRET_CHARACTERS_MIN = 12;
export const CHAP_TEXT_CHARACTERS_MAX = 255;
