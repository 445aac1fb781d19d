import { Alert, Button, Checkbox, Group, Modal, Radio, Stack, Stepper, Text, TextInput } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useState, type ReactNode } from "react";
import type { HostsAnswer, MappingCreateAnswer, MappingCreateBody, StatusAnswer, VolumeCreateAnswer, VolumeCreateBody } from "../../../management/api.ts";
import { call, sentenceOf } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { bytes } from "../../format.ts";
import { ConnectSteps } from "../../parts/connect-steps.tsx";
import { parseSize } from "../../sizes.ts";
import { HostFields, hostBody, NO_HOST, type HostDraft } from "../hosts/host-fields.tsx";

interface Props {
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** From a name to a host that can use the volume: what, for whom, and what to type on that host. */
export function CreateWizard({ opened, onClose }: Props): ReactNode {
  const narrow = useMediaQuery("(max-width: 48em)");
  return (
    <Modal opened={opened} onClose={onClose} title="Create a volume" size="xl" fullScreen={narrow === true} closeOnClickOutside={false}>
      <Wizard onClose={onClose} />
    </Modal>
  );
}

interface Made {
  readonly volume: VolumeCreateAnswer;
  readonly mappings: readonly MappingCreateAnswer[];
  /** The volume is there; what then failed. */
  readonly failed: string | null;
}

function Wizard({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [step, setStep] = useState(0);
  const [name, setName] = useState("");
  const [size, setSize] = useState("");
  const [factor, setFactor] = useState<1 | 2>(1);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [draft, setDraft] = useState<HostDraft | null>(null);
  const status = useApi<StatusAnswer>("/status", ["status"]);
  const hosts = useApi<HostsAnswer>("/hosts", ["hosts", "volumes"]);
  const sizeBytes = parseSize(size);
  const create = useChange<Made, void>(
    async () => {
      const body: VolumeCreateBody = { name, sizeBytes: sizeBytes ?? 0, factor };
      const volume = await call<VolumeCreateAnswer>("POST", "/volumes", body);
      const mappings: MappingCreateAnswer[] = [];
      try {
        if (draft !== null) await call("POST", "/hosts", hostBody(draft));
        for (const host of draft === null ? chosen : [...chosen, draft.name]) mappings.push(await call<MappingCreateAnswer>("POST", "/mappings", { volume: name, host } satisfies MappingCreateBody));
        return { volume, mappings, failed: null };
      } catch (error) {
        return { volume, mappings, failed: sentenceOf(error) };
      }
    },
    ["volumes", "hosts", "status"],
    () => setStep(2),
  );
  const capacity = status.data?.capacity;
  const usable = factor === 1 ? capacity?.usableBytes : capacity?.usableFactor2Bytes;

  return (
    <Stack>
      <Stepper active={step} size="sm" allowNextStepsSelect={false} wrap={false} styles={{ stepLabel: { whiteSpace: "nowrap" } }}>
        <Stepper.Step label="Volume" allowStepSelect={step === 1} onClick={() => setStep(0)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (sizeBytes !== null && sizeBytes > 0) setStep(1);
            }}
          >
            <Stack>
              <TextInput label="Name" description="Letters, digits, dots, dashes and underscores" required data-autofocus value={name} pattern="[A-Za-z0-9][A-Za-z0-9._\-]{0,62}" maxLength={63} onChange={(event) => setName(event.currentTarget.value)} />
              <TextInput
                label="Size"
                description="Such as 500 GiB or 2 TiB. It can be grown later, not shrunk."
                required
                value={size}
                onChange={(event) => setSize(event.currentTarget.value)}
                error={size !== "" && sizeBytes === null ? "This is no size such as 500 GiB or 2 TiB." : null}
              />
              {sizeBytes !== null && usable !== undefined && sizeBytes > usable && (
                <Alert color="orange">
                  That is more than the drives hold with this many copies ({bytes(usable)}). The volume is thin, so it can be made, but writes are refused when the drives are full: add drives in time.
                </Alert>
              )}
              <Radio.Group label="Copies" description="Each on another server" value={String(factor)} onChange={(value) => setFactor(value === "2" ? 2 : 1)}>
                <Stack gap="xs" mt="xs">
                  <Radio value="1" label="2 copies: data outlives the loss of one server or drive" />
                  <Radio value="2" label="3 copies: data outlives the loss of two, and takes half as much space again" />
                </Stack>
              </Radio.Group>
              <Group justify="flex-end">
                <Button variant="default" onClick={onClose}>
                  Cancel
                </Button>
                <Button type="submit" disabled={name === "" || sizeBytes === null || sizeBytes === 0}>
                  Next: hosts
                </Button>
              </Group>
            </Stack>
          </form>
        </Stepper.Step>
        <Stepper.Step label="Hosts" allowStepSelect={false}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              create.mutate();
            }}
          >
            <Stack>
              <Text size="sm">Who may use {name}? Several hosts only when they share a file system made for it, such as VMFS or a cluster's.</Text>
              {(hosts.data?.hosts.length ?? 0) > 0 && (
                <Checkbox.Group label="Hosts that are known" value={[...chosen]} onChange={setChosen}>
                  <Stack gap="xs" mt="xs" mah={220} style={{ overflowY: "auto" }}>
                    {hosts.data?.hosts.map((host) => <Checkbox key={host.name} value={host.name} label={host.name} description={host.iqns.join(", ")} styles={{ description: { overflowWrap: "anywhere" } }} />)}
                  </Stack>
                </Checkbox.Group>
              )}
              <Checkbox label="A new host" checked={draft !== null} onChange={(event) => setDraft(event.currentTarget.checked ? NO_HOST : null)} />
              {draft !== null && <HostFields draft={draft} onChange={setDraft} />}
              {create.error && (
                <Alert color="red" role="alert">
                  {create.error.message}
                </Alert>
              )}
              <Group justify="space-between">
                <Button variant="default" onClick={() => setStep(0)}>
                  Back
                </Button>
                <Button type="submit" loading={create.isPending}>
                  {chosen.length === 0 && draft === null ? "Create without a host" : "Create and map"}
                </Button>
              </Group>
            </Stack>
          </form>
        </Stepper.Step>
        <Stepper.Step label="Connect" allowStepSelect={false}>
          {create.data && <Result made={create.data} hosts={hosts.data} status={status.data} />}
          <Group justify="flex-end" mt="md">
            <Button onClick={onClose}>Done</Button>
          </Group>
        </Stepper.Step>
      </Stepper>
    </Stack>
  );
}

function Result({ made, hosts, status }: { readonly made: Made; readonly hosts: HostsAnswer | undefined; readonly status: StatusAnswer | undefined }): ReactNode {
  const { volume, mappings, failed } = made;
  const first = mappings[0];
  const host = hosts?.hosts.find(({ name }) => name === first?.host);
  return (
    <Stack>
      <Alert color="teal" title={`Volume ${volume.name} is there`}>
        {bytes(volume.sizeBytes)} with {volume.copies} copies
        {mappings.length > 0 && `, mapped to ${mappings.map((mapping) => `${mapping.host} as LUN ${mapping.lun}`).join(", ")}`}.
      </Alert>
      {volume.warning !== undefined && <Alert color="orange">{volume.warning}</Alert>}
      {failed !== null && (
        <Alert color="red" title="Not everything was done" role="alert">
          {failed} The volume stays; map it on its own page.
        </Alert>
      )}
      {first !== undefined && host !== undefined && status?.cluster && (
        <>
          <Text fw={600}>Now on {first.host}:</Text>
          <ConnectSteps connection={{ targetName: status.cluster.targetName, portals: status.servers.map(({ portal }) => portal), iqns: host.iqns, chapUser: host.chapUser, lun: first.lun }} />
        </>
      )}
    </Stack>
  );
}
