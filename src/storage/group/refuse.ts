import type { Epoch } from "../../base/ids.ts";
import type { Change, Channel, CommandResult, Read } from "../../wire/messages.ts";
import type { GroupHost } from "./host.ts";

/** Not here, or not now: the gateway asks whoever the cluster map names, unless `result` says more. */
export function refuseCommand(host: GroupHost, channel: Channel, message: Read | Change, epoch: Epoch, result: CommandResult = "not-primary"): void {
  const shared = { group: message.group, epoch, tag: message.tag, result, clock: host.clock.nowMs() };
  if (message.type === "read") host.send(channel, { ...shared, type: "read-done", checksums: new Uint32Array(0), data: Buffer.alloc(0) });
  else host.send(channel, { ...shared, type: "done" });
}
