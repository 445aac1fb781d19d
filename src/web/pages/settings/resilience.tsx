import { Alert, Button, Group, NumberInput, Radio, Stack, Switch, Text } from "@mantine/core";
import { useState, type ReactNode } from "react";
import type { SettingsAnswer, SettingsBody } from "../../../management/api/cluster.ts";
import { call } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { Card } from "../../parts/card.tsx";
import { Shown } from "../../parts/page.tsx";
import { useMayChange } from "../../session.tsx";

export function ResiliencePanel(): ReactNode {
  const settings = useApi<SettingsAnswer>("/settings", ["settings"]);
  return <Shown query={settings}>{(saved) => <ResilienceForm saved={saved} />}</Shown>;
}

const SECOND = 1_000;
const MINUTE = 60_000;

function ResilienceForm({ saved }: { readonly saved: SettingsAnswer }): ReactNode {
  const [draft, setDraft] = useState<SettingsBody>({});
  const mayChange = useMayChange();
  const save = useChange((body: SettingsBody) => call<SettingsAnswer>("POST", "/settings", body), ["settings"], () => setDraft({}));
  const { loneSurvivor, strictReads, recreateDriveAfterMs, recreateServerAfterMs } = { ...saved, ...draft };
  const dirty = (Object.keys(draft) as (keyof SettingsBody)[]).some((key) => draft[key] !== saved[key]);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(draft);
      }}
    >
      <fieldset disabled={!mayChange} style={{ border: 0, padding: 0, margin: 0, minWidth: 0 }}>
        <Stack>
          <Card title="When copies are made anew">
            <Stack>
              <NumberInput
                label="A drive that is silent"
                description="Seconds until its data is copied to others. A drive that has failed for certain does not wait."
                min={0}
                max={86_400}
                allowDecimal={false}
                suffix=" s"
                maw={320}
                value={recreateDriveAfterMs / SECOND}
                onChange={(value) => typeof value === "number" && setDraft({ ...draft, recreateDriveAfterMs: value * SECOND })}
              />
              <NumberInput
                label="A server that is away"
                description="Minutes until its data is copied to others. Longer than a restart or a change of parts takes."
                min={0}
                max={10_080}
                allowDecimal={false}
                suffix=" min"
                maw={320}
                value={recreateServerAfterMs / MINUTE}
                onChange={(value) => typeof value === "number" && setDraft({ ...draft, recreateServerAfterMs: value * MINUTE })}
              />
            </Stack>
          </Card>
          <Card title="When one server of three is left">
            <Radio.Group aria-label="When one server of three is left" value={loneSurvivor} onChange={(value) => setDraft({ ...draft, loneSurvivor: value === "auto" ? "auto" : "confirm" })}>
              <Stack gap="sm">
                <Radio value="confirm" label="Ask" description="It answers reads only when the others are proved to be off, or an administrator says so. Until then hosts wait." />
                <Radio value="auto" label="Go on by itself after 30 seconds" description="It answers reads of the copies that it has. If it was only cut off and the others still serve, these reads are stale." />
              </Stack>
            </Radio.Group>
          </Card>
          <Card title="Reads">
            <Switch label="Strict reads" description="Every read is confirmed by the other copies before it is answered. Slower, and needed where clocks cannot be trusted to run evenly: when these servers are virtual machines." checked={strictReads} onChange={(event) => setDraft({ ...draft, strictReads: event.currentTarget.checked })} />
          </Card>
          {save.error && (
            <Alert color="red" role="alert">
              {save.error.message}
            </Alert>
          )}
          {mayChange && (
            <Group>
              <Button type="submit" disabled={!dirty} loading={save.isPending}>
                Save
              </Button>
              {save.isSuccess && !dirty && (
                <Text size="sm" c="dimmed" role="status">
                  Saved
                </Text>
              )}
            </Group>
          )}
        </Stack>
      </fieldset>
    </form>
  );
}
