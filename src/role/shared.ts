import type { DriveId } from "../base/ids.ts";
import type { Dialer } from "../wire/dialer.ts";
import { LocalDialer, type LocalDrive } from "../wire/local.ts";
import type { Peer } from "../wire/messages.ts";
import { startableDrives } from "./announce.ts";
import { startGateway } from "./gateway.ts";
import type { RoleContext, RunningRole } from "./role.ts";
import { startStorage, type RunningStorage } from "./storage.ts";

/** The iSCSI role and all drives of a server in one process: commands to local drives cross no socket. */
export async function runShared(context: RoleContext): Promise<RunningRole> {
  const local = new Map<DriveId, LocalDrive>();
  const dialer = (self: Peer, remote: Dialer): Dialer => new LocalDialer(self, remote, local);
  const drives: RunningStorage[] = await Promise.all(
    startableDrives(context.config).map(async (index) => {
      const storage = await startStorage(context, index, dialer);
      local.set(storage.peer.id as DriveId, { instance: storage.peer.instance, refuse: (hello) => storage.node.refuse(hello), accept: (channel) => storage.node.accept(channel) });
      return storage;
    }),
  );
  const gateway = await startGateway(context, dialer);
  return {
    async stop(): Promise<void> {
      await gateway.stop();
      await Promise.all(drives.map((drive) => drive.stop()));
    },
  };
}
