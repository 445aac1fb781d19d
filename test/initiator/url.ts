/** One path to a LUN, as `virtustor map --json` prints it: iscsi://ADDRESS:PORT/TARGET/LUN. */
export interface Portal {
  readonly address: string;
  readonly port: number;
  readonly target: string;
  readonly lun: number;
}

const URL_FORM = /^iscsi:\/\/(?:\[([0-9a-fA-F:]+)\]|([^:/[\]]+)):(\d{1,5})\/([^/]+)\/(\d{1,3})$/;

/** Throws for anything else than such a URL. */
export function parsePortal(url: string): Portal {
  const match = URL_FORM.exec(url);
  if (match === null) throw new Error(`not an iSCSI URL: ${url}`);
  const [, v6, name, port, target, lun] = match;
  return { address: v6 ?? name ?? "", port: Number(port), target: target ?? "", lun: Number(lun) };
}
