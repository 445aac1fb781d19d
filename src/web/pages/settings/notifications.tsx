import { Alert, Button, Group, NumberInput, PasswordInput, Select, SimpleGrid, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";
import type { NotificationsAnswer, NotificationsBody, NotificationTestAnswer, NotificationTestBody } from "../../../management/api/monitor.ts";
import { call } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { Card } from "../../parts/card.tsx";
import { Shown } from "../../parts/page.tsx";
import { useMayChange } from "../../session.tsx";

export function NotificationsPanel(): ReactNode {
  const notifications = useApi<NotificationsAnswer>("/notifications", ["settings"]);
  return (
    <Shown query={notifications}>
      {({ mail, webhook }) => (
        <Stack>
          <MailCard saved={mail} />
          <WebhookCard saved={webhook} />
        </Stack>
      )}
    </Shown>
  );
}

const PORTS = { none: 25, starttls: 587, tls: 465 } as const;
const SECURITY = [
  { value: "starttls", label: "STARTTLS (587)" },
  { value: "tls", label: "TLS (465)" },
  { value: "none", label: "None (25)" },
] as const;

function useSave(done: () => void): { readonly save: (body: NotificationsBody) => void; readonly pending: boolean; readonly error: string | null; readonly saved: boolean } {
  const change = useChange((body: NotificationsBody) => call<NotificationsAnswer>("POST", "/notifications", body), ["settings"], done);
  return { save: change.mutate, pending: change.isPending, error: change.error?.message ?? null, saved: change.isSuccess };
}

function MailCard({ saved }: { readonly saved: NotificationsAnswer["mail"] }): ReactNode {
  const { passwordSet, ...rest } = saved;
  const [mail, setMail] = useState({ ...rest, password: "" });
  const [dirty, setDirty] = useState(false);
  const mayChange = useMayChange();
  const { save, pending, error } = useSave(() => setDirty(false));
  const set = (change: Partial<typeof mail>): void => {
    setDirty(true);
    setMail({ ...mail, ...change });
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const { password, ...others } = mail;
    save({ mail: { ...others, ...(password === "" ? {} : { password }) } });
  };
  return (
    <Card title="E-mail">
      <form onSubmit={submit} aria-label="E-mail">
        <fieldset disabled={!mayChange} style={{ border: 0, padding: 0, margin: 0, minWidth: 0 }}>
          <Stack>
            <Switch label="Send alerts by e-mail" checked={mail.enabled} onChange={(event) => set({ enabled: event.currentTarget.checked })} />
            <SimpleGrid cols={{ base: 1, sm: 3 }}>
              <TextInput label="Mail server" placeholder="mail.example.com" required={mail.enabled} value={mail.host} onChange={(event) => set({ host: event.currentTarget.value })} />
              <Select
                label="Security"
                data={SECURITY.map(({ value, label }) => ({ value, label }))}
                allowDeselect={false}
                value={mail.security}
                onChange={(value) => {
                  const security = value === "none" || value === "tls" ? value : "starttls";
                  set({ security, port: PORTS[security] });
                }}
              />
              <NumberInput label="Port" min={1} max={65535} allowDecimal={false} required value={mail.port} onChange={(value) => typeof value === "number" && set({ port: value })} />
              <TextInput label="User" description="Empty: no login" autoComplete="off" value={mail.user} onChange={(event) => set({ user: event.currentTarget.value })} />
              <PasswordInput label="Password" description={passwordSet ? "Set; empty: it stays" : "Not set"} autoComplete="new-password" value={mail.password} onChange={(event) => set({ password: event.currentTarget.value })} />
              <TextInput label="From" description="The sender's address" placeholder="storage@example.com" required={mail.enabled} value={mail.from} onChange={(event) => set({ from: event.currentTarget.value })} />
            </SimpleGrid>
            <TagsInput label="To" description="Addresses, each ended with Enter" value={[...mail.to]} onChange={(to) => set({ to })} splitChars={[",", " ", ";"]} acceptValueOnBlur clearable />
            <Foot channel="mail" dirty={dirty} pending={pending} error={error} enabled={saved.enabled} />
          </Stack>
        </fieldset>
      </form>
    </Card>
  );
}

function WebhookCard({ saved }: { readonly saved: NotificationsAnswer["webhook"] }): ReactNode {
  const { secretSet, ...rest } = saved;
  const [webhook, setWebhook] = useState({ ...rest, secret: "" });
  const [dirty, setDirty] = useState(false);
  const mayChange = useMayChange();
  const { save, pending, error } = useSave(() => setDirty(false));
  const set = (change: Partial<typeof webhook>): void => {
    setDirty(true);
    setWebhook({ ...webhook, ...change });
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const { secret, ...others } = webhook;
    save({ webhook: { ...others, ...(secret === "" ? {} : { secret }) } });
  };
  return (
    <Card title="Webhook">
      <form onSubmit={submit} aria-label="Webhook">
        <fieldset disabled={!mayChange} style={{ border: 0, padding: 0, margin: 0, minWidth: 0 }}>
          <Stack>
            <Switch label="Send alerts to a webhook" checked={webhook.enabled} onChange={(event) => set({ enabled: event.currentTarget.checked })} />
            <SimpleGrid cols={{ base: 1, sm: 2 }}>
              <TextInput label="Address" description="Gets a POST with JSON" placeholder="https://chat.example.com/hooks/storage" type="url" required={webhook.enabled} value={webhook.url} onChange={(event) => set({ url: event.currentTarget.value })} />
              <PasswordInput label="Secret" description={secretSet ? "Set; empty: it stays" : "Not set; with one every message is signed"} autoComplete="new-password" value={webhook.secret} onChange={(event) => set({ secret: event.currentTarget.value })} />
            </SimpleGrid>
            <Foot channel="webhook" dirty={dirty} pending={pending} error={error} enabled={saved.enabled} />
          </Stack>
        </fieldset>
      </form>
    </Card>
  );
}

interface FootProps {
  readonly channel: NotificationTestBody["channel"];
  readonly dirty: boolean;
  readonly pending: boolean;
  readonly error: string | null;
  readonly enabled: boolean;
}

/** Save, and a test of what is saved: the answer is what the receiver said. */
function Foot({ channel, dirty, pending, error, enabled }: FootProps): ReactNode {
  const mayChange = useMayChange();
  const test = useChange<NotificationTestAnswer, void>(() => call("POST", "/notifications/test", { channel } satisfies NotificationTestBody), ["audit"]);
  if (!mayChange) return null;
  return (
    <Stack gap="sm">
      {error !== null && (
        <Alert color="red" role="alert">
          {error}
        </Alert>
      )}
      {test.error && (
        <Alert color="red" role="alert">
          {test.error.message}
        </Alert>
      )}
      {test.data && (
        <Alert color={test.data.ok ? "teal" : "red"} role="status">
          {test.data.sentence}
        </Alert>
      )}
      <Group>
        <Button type="submit" loading={pending} disabled={!dirty}>
          Save
        </Button>
        <Button variant="default" loading={test.isPending} disabled={dirty || !enabled} onClick={() => test.mutate()}>
          Send a test
        </Button>
        {(dirty || !enabled) && (
          <Text size="sm" c="dimmed">
            {dirty ? "Save before you test." : "Switch it on to test it."}
          </Text>
        )}
      </Group>
    </Stack>
  );
}
