/** An IPv4 address as a number, or null when the text is none. Leading zeros are refused: some programs read them as octal. */
export function parseIpv4(text: string): number | null {
  const match = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
  if (match === null) return null;
  const bytes = match.slice(1).map(Number);
  if (bytes.some((byte) => byte > 255)) return null;
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** First and last address of the network that `address` lies in: its own number and its broadcast address. */
export function networkOf(address: number, prefix: number): { readonly first: number; readonly last: number } {
  const size = 2 ** (32 - prefix);
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1 };
}

/** Why `text` cannot be a server's address in a network of `prefix` bits; null when it can. */
export function hostAddressProblem(text: string, prefix: number): string | null {
  const address = parseIpv4(text);
  if (address === null) return `${text === "" ? "An empty text" : text} is no IPv4 address: give four numbers from 0 to 255, as in 192.168.10.21.`;
  const highest = Math.floor(address / 2 ** 24);
  if (highest === 0 || highest === 127 || highest >= 224) return `${text} cannot be a server's address: it is reserved. Use one of your network, as in 192.168.10.21.`;
  const { first, last } = networkOf(address, prefix);
  if (prefix <= 30 && (address === first || address === last)) {
    return `${text} is the ${address === first ? "number" : "broadcast address"} of its own network (${formatIpv4(first)}/${prefix}): use one from ${formatIpv4(first + 1)} to ${formatIpv4(last - 1)}.`;
  }
  return null;
}
