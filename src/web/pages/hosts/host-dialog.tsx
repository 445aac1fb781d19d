import { Alert, Button, Group, Modal, Stack } from "@mantine/core";
import { useState, type ReactNode } from "react";
import type { HostAnswer, HostChangeBody } from "../../../management/api.ts";
import { call } from "../../api/client.ts";
import { useChange } from "../../api/queries.ts";
import { HostFields, hostBody, iqnsOf, NO_HOST, type HostDraft } from "./host-fields.tsx";

interface Props {
  /** null: a new one. */
  readonly host: HostAnswer | null;
  readonly onClose: () => void;
}

export function HostDialog({ host, onClose }: Props): ReactNode {
  const [draft, setDraft] = useState<HostDraft>(host === null ? NO_HOST : { name: host.name, iqns: host.iqns.join("\n"), chap: host.chapUser === null ? null : { user: host.chapUser, secret: "" } });
  const save = useChange<HostAnswer, void>(() => (host === null ? call<HostAnswer>("POST", "/hosts", hostBody(draft)) : call<HostAnswer>("POST", `/hosts/${host.name}`, changeOf(host, draft))), ["hosts", "volumes"], onClose);
  return (
    <Modal opened onClose={onClose} title={host === null ? "Add a host" : `Edit host ${host.name}`} size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Stack>
          <HostFields draft={draft} onChange={setDraft} isNew={host === null} secretIsSet={host !== null && host.chapUser !== null} />
          {save.error && (
            <Alert color="red" role="alert">
              {save.error.message}
            </Alert>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              {host === null ? "Add host" : "Save"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** The secret stays when user and secret are left alone. */
function changeOf(host: HostAnswer, { iqns, chap }: HostDraft): HostChangeBody {
  const names = { iqns: iqnsOf(iqns) };
  if (chap === null) return host.chapUser === null ? names : { ...names, chap: null };
  if (chap.secret === "" && chap.user === host.chapUser) return names;
  return { ...names, chap };
}
