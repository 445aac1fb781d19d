import type * as api from "../management/api.ts";
import type { AuditAnswer } from "../management/api/cluster.ts";
import type { ApiClient } from "./client.ts";
import { CliError } from "./error.ts";
import { formatSize } from "./sizes.ts";
import { table } from "./table.ts";

export interface AcceptLossOptions {
  readonly drive?: readonly string[];
  readonly server?: readonly string[];
  readonly damaged?: boolean;
  readonly yes?: boolean;
  readonly confirm?: string;
  readonly confirmDown?: readonly string[];
}

/** R23: without --yes it only tells. */
export async function acceptLoss(client: ApiClient, options: AcceptLossOptions): Promise<{ answer: object; text: string; warning?: string | undefined }> {
  const { drive = [], server = [], confirmDown = [] } = options;
  const damaged = options.damaged === true;
  if (drive.length + server.length === 0 && !damaged) throw new CliError("name what is lost with --drive or --server, or say --damaged");
  if (options.yes === true && options.confirm === undefined) throw new CliError("--yes needs --confirm with the cluster's name");
  const confirm = options.yes === true && options.confirm !== undefined ? { confirm: options.confirm } : {};
  const answer = await client.post<api.AcceptLossAnswer>("/accept-loss", { drives: drive, servers: server, damaged, confirmDown, ...confirm } satisfies api.AcceptLossBody);
  const warnings = [
    ...(!answer.done && answer.unproved.length > 0 ? [`nothing proves that ${answer.unproved.join(", ")} is down: power it off, then add --confirm-down with its name`] : []),
    ...(answer.portalsSilent.length > 0 ? [`the portal of ${answer.portalsSilent.join(", ")} has not confirmed that the sessions of these volumes have ended`] : []),
  ];
  return { answer, text: lossText(answer), warning: warnings.length > 0 ? warnings.join("; ") : undefined };
}

function lossText({ done, groups, left, volumes, bytes }: api.AcceptLossAnswer): string {
  const none = groups.filter(({ copy }) => copy === null).length;
  const rows = groups.map(({ group, copy, lacks }) => [group, copy === null ? "none" : `${copy.drive} of ${copy.server}`, lacks]);
  const waiting = left.map(({ group, why }) => [group, why]);
  return [
    done ? `given up: ` : `would be given up: `,
    `${groups.length} groups, ${none} of them without any copy; about ${formatSize(bytes)} provisioned, in volumes ${volumes.join(", ") || "none"}\n`,
    table(["group", "copy that goes on", "lacks"], rows, "no groups"),
    ...(left.length > 0 ? [`\nleft as they are: ${left.length} groups\n`, table(["group", "why"], waiting, "")] : []),
    done ? "" : "\nnothing was changed; to do it add --yes --confirm and the cluster's name\n",
  ].join("");
}

export async function auditList(client: ApiClient): Promise<{ answer: object; text: string }> {
  const answer = await client.get<AuditAnswer>("/audit?losses");
  const rows = answer.records.map(({ atMs, from, what }) => [new Date(atMs).toISOString(), from, what]);
  return { answer, text: table(["when", "from", "what"], rows, "nothing was given up yet") };
}
