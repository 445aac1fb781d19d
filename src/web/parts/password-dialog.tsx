import { Alert, Button, Group, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState, type FormEvent, type ReactNode } from "react";
import type { PasswordBody, SessionAnswer } from "../../management/api/users.ts";
import { call } from "../api/client.ts";
import { useChange } from "../api/queries.ts";

interface Props {
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** One's own password; the server says what it thinks of the new one. */
export function PasswordDialog({ opened, onClose }: Props): ReactNode {
  return (
    <Modal opened={opened} onClose={onClose} title="Change password">
      <PasswordForm onClose={onClose} />
    </Modal>
  );
}

function PasswordForm({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const change = useChange((body: PasswordBody) => call<SessionAnswer>("POST", "/session/password", body), ["users"], () => {
    notifications.show({ color: "teal", title: "Password changed", message: "Your other sessions have ended." });
    onClose();
  });
  const differs = again !== "" && fresh !== again;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (fresh === again) change.mutate({ old, new: fresh });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {change.error && (
          <Alert color="red" role="alert">
            {change.error.message}
          </Alert>
        )}
        <PasswordInput label="Password now" autoComplete="current-password" required data-autofocus value={old} onChange={(event) => setOld(event.currentTarget.value)} />
        <PasswordInput label="New password" autoComplete="new-password" required value={fresh} onChange={(event) => setFresh(event.currentTarget.value)} />
        <PasswordInput label="New password again" autoComplete="new-password" required value={again} onChange={(event) => setAgain(event.currentTarget.value)} error={differs ? "This is not the same as above." : null} />
        <Text size="sm" c="dimmed">
          All your other sessions end.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={change.isPending} disabled={differs}>
            Change password
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
