import { Alert, Badge, Button, Group, Modal, PasswordInput, Radio, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import type { Role, UserAnswer, UserChangeBody, UserCreateBody, UsersAnswer } from "../../../management/api/users.ts";
import { call } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { moment } from "../../format.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { DataTable } from "../../parts/data-table.tsx";
import { Shown } from "../../parts/page.tsx";
import { useMayChange, useSession } from "../../session.tsx";

export function UsersPanel(): ReactNode {
  const users = useApi<UsersAnswer>("/users", ["users"]);
  const { name: self } = useSession();
  const mayChange = useMayChange();
  const [editing, setEditing] = useState<UserAnswer | "new" | null>(null);
  const [deleting, setDeleting] = useState<UserAnswer | null>(null);
  return (
    <Stack>
      <Group justify="space-between">
        <Text size="sm" c="dimmed" maw={560}>
          Administrators do everything; viewers see everything but secrets and change nothing but their own password.
        </Text>
        {mayChange && (
          <Button leftSection={<IconPlus size={18} />} onClick={() => setEditing("new")}>
            Add user
          </Button>
        )}
      </Group>
      <Shown query={users}>
        {({ users: list }) => (
          <DataTable
            label="Users"
            rows={list}
            rowKey={({ name }) => name}
            columns={[
              { label: "Name", isName: true, cell: ({ name }) => <Text size="sm" fw={600}>{name === self ? `${name} (you)` : name}</Text> },
              { label: "Role", cell: ({ role }) => <Badge variant="light" color={role === "administrator" ? "cyan" : "gray"} tt="none">{role}</Badge> },
              { label: "Changed", cell: ({ changedAtMs }) => moment(changedAtMs) },
              ...(mayChange
                ? [
                    {
                      label: "Actions",
                      isActions: true,
                      align: "right" as const,
                      cell: (user: UserAnswer) => (
                        <Group gap={4} justify="flex-end" wrap="nowrap">
                          <Button size="compact-sm" variant="default" aria-label={`Edit ${user.name}`} onClick={() => setEditing(user)}>
                            Edit
                          </Button>
                          {user.name !== self && (
                            <Button size="compact-sm" variant="default" c="var(--mantine-color-error)" aria-label={`Delete ${user.name}`} onClick={() => setDeleting(user)}>
                              Delete
                            </Button>
                          )}
                        </Group>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </Shown>
      {editing !== null && <UserDialog user={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {deleting !== null && <DeleteDialog user={deleting} onClose={() => setDeleting(null)} />}
    </Stack>
  );
}

function UserDialog({ user, onClose }: { readonly user: UserAnswer | null; readonly onClose: () => void }): ReactNode {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>(user?.role ?? "viewer");
  const [password, setPassword] = useState("");
  const save = useChange<UserAnswer, void>(
    () => {
      if (user === null) return call("POST", "/users", { name, role, password } satisfies UserCreateBody);
      return call("POST", `/users/${user.name}`, { ...(role === user.role ? {} : { role }), ...(password === "" ? {} : { password }) } satisfies UserChangeBody);
    },
    ["users"],
    onClose,
  );
  const unchanged = user !== null && role === user.role && password === "";
  return (
    <Modal opened onClose={onClose} title={user === null ? "Add a user" : `Edit user ${user.name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Stack>
          {user === null && <TextInput label="Name" required data-autofocus autoComplete="off" value={name} onChange={(event) => setName(event.currentTarget.value)} />}
          <Radio.Group label="Role" value={role} onChange={(value) => setRole(value === "administrator" ? "administrator" : "viewer")}>
            <Stack gap="xs" mt="xs">
              <Radio value="viewer" label="Viewer: sees everything, changes nothing" />
              <Radio value="administrator" label="Administrator: does everything" />
            </Stack>
          </Radio.Group>
          <PasswordInput label={user === null ? "Password" : "New password"} description={user === null ? undefined : "Empty: it stays. The user's sessions end with a new one."} required={user === null} autoComplete="new-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
          {save.error && (
            <Alert color="red" role="alert">
              {save.error.message}
            </Alert>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending} disabled={unchanged}>
              {user === null ? "Add user" : "Save"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function DeleteDialog({ user, onClose }: { readonly user: UserAnswer; readonly onClose: () => void }): ReactNode {
  const change = useChange<UserAnswer, void>(() => call("DELETE", `/users/${user.name}`), ["users"], onClose);
  return <Confirm opened onClose={onClose} title={`Delete user ${user.name}`} cost={`${user.name} is logged out everywhere and cannot log in any more. What ${user.name} has changed stays, and stays in the audit.`} name={user.name} action="Delete user" change={change} />;
}
