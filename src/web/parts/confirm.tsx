import { Alert, Button, Code, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";
import type { UseMutationResult } from "@tanstack/react-query";

interface Props<T> {
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly title: string;
  /** What it costs and whether it can be undone. */
  readonly cost: ReactNode;
  /** Has to be typed again; null: the cost can be undone and a click is enough. */
  readonly name: string | null;
  /** On the button: "Delete volume". */
  readonly action: string;
  readonly change: UseMutationResult<T, Error, void>;
}

/** Before something that costs: says what, and wants the name typed, so that nobody does it to the wrong one. */
export function Confirm<T>(props: Props<T>): ReactNode {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={props.title}>
      <ConfirmForm {...props} />
    </Modal>
  );
}

function ConfirmForm<T>({ onClose, cost, name, action, change }: Props<T>): ReactNode {
  const [typed, setTyped] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (name === null || typed === name) change.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Text component="div" size="sm">
          {cost}
        </Text>
        {name !== null && (
          <TextInput
            data-autofocus
            autoComplete="off"
            label={
              <>
                Type <Code>{name}</Code> to confirm
              </>
            }
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        )}
        {change.error && (
          <Alert color="red" role="alert">
            {change.error.message}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color={name === null ? "cyan" : "red"} loading={change.isPending} disabled={name !== null && typed !== name}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
