import { ActionIcon, Anchor, Badge, Group, Menu, Paper, Progress, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconDotsVertical, IconPlus, IconServer2 } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import type { DriveDetailAnswer } from "../../../management/api.ts";
import type { ServerDetailAnswer } from "../../../management/api/servers.ts";
import { bytes, percent } from "../../format.ts";
import { DrainProgress, isDrained } from "./drain-progress.tsx";
import { CancelDrainDialog, DrainServerDialog, RemoveServerDialog } from "./server-dialogs.tsx";
import { useMayChange } from "../../session.tsx";
import { DriveBay } from "./drive-bay.tsx";

interface Props {
  readonly server: ServerDetailAnswer;
  readonly drives: readonly DriveDetailAnswer[];
  readonly onDrive: (id: string) => void;
  readonly onAddDrive: () => void;
}

/** A server as it stands in the rack: its name and state, and its drives in their bays. */
export function ServerCard({ server, drives, onDrive, onAddDrive }: Props): ReactNode {
  const { name, up, drain } = server;
  const mayChange = useMayChange();
  const isTold = drives.some(({ usedBytes }) => usedBytes !== null);
  const used = percent(server.usedBytes, server.capacityBytes);
  return (
    <Paper withBorder p="md" component="section" aria-label={`Server ${name}`} data-server={name} bg="var(--mantine-color-default)">
      <Stack gap="sm">
        <Group justify="space-between" wrap="nowrap" align="flex-start">
          <Group gap="sm" wrap="nowrap" align="flex-start" miw={0}>
            <IconServer2 size={28} aria-hidden style={{ flexShrink: 0 }} />
            <div style={{ minWidth: 0 }}>
              <Group gap="xs">
                <Title order={2} size="h4">
                  {name}
                </Title>
                <Badge color={up ? "teal" : "red"} variant="light" tt="none">
                  {up ? "Up" : "Down"}
                </Badge>
                {drain !== null && (
                  <Badge color="yellow" variant="light" tt="none">
                    {isDrained(drain) ? "Drained" : "Draining"}
                  </Badge>
                )}
                {server.storeMember && (
                  <Badge color="gray" variant="light" tt="none">
                    Store member
                  </Badge>
                )}
              </Group>
              <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                iSCSI {server.portal} ·{" "}
                <Anchor href={server.api} size="sm">
                  its own web UI
                </Anchor>
              </Text>
            </div>
          </Group>
          {mayChange && <Actions server={server} onAddDrive={onAddDrive} />}
        </Group>
        {drain !== null && <DrainProgress what={name} drain={drain} />}
        <div>
          <Group justify="space-between" gap="xs">
            <Text size="sm" className="numbers">
              {isTold ? `${bytes(server.usedBytes)} of ${bytes(server.capacityBytes)} used` : `${bytes(server.capacityBytes)}, use not told`}
            </Text>
            {isTold && (
              <Text size="sm" c="dimmed" className="numbers">
                {Math.round(used)} %
              </Text>
            )}
          </Group>
          <Progress value={used} mt={4} color="cyan.7" aria-label={`${Math.round(used)} % of ${name} used`} />
        </div>
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3, xl: 4 }} spacing="xs">
          {drives.map((drive) => (
            <DriveBay key={drive.id} drive={drive} onOpen={() => onDrive(drive.id)} />
          ))}
          {mayChange && up && (
            <button type="button" className="bay" data-state="empty" onClick={onAddDrive} aria-label={`Add a drive to ${name}`}>
              <Group gap="xs" h="100%" mih={44}>
                <IconPlus size={18} aria-hidden />
                <Text size="sm">Add a drive</Text>
              </Group>
            </button>
          )}
          {drives.length === 0 && !mayChange && (
            <Text size="sm" c="dimmed">
              It has no drive.
            </Text>
          )}
        </SimpleGrid>
      </Stack>
    </Paper>
  );
}

function Actions({ server, onAddDrive }: { readonly server: ServerDetailAnswer; readonly onAddDrive: () => void }): ReactNode {
  const [dialog, setDialog] = useState<"drain" | "cancel" | "remove" | null>(null);
  const close = (): void => setDialog(null);
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size="lg" aria-label={`Actions for ${server.name}`}>
            <IconDotsVertical size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {server.up && <Menu.Item onClick={onAddDrive}>Add a drive</Menu.Item>}
          {server.drain === null ? <Menu.Item onClick={() => setDialog("drain")}>Drain</Menu.Item> : <Menu.Item onClick={() => setDialog("cancel")}>Stop draining</Menu.Item>}
          <Menu.Item color="red" onClick={() => setDialog("remove")}>
            Remove
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {dialog === "drain" && <DrainServerDialog server={server} onClose={close} />}
      {dialog === "cancel" && <CancelDrainDialog server={server} onClose={close} />}
      {dialog === "remove" && <RemoveServerDialog server={server} onClose={close} />}
    </>
  );
}
