import { Box, Text } from "ink";
import { useEffect, useState, type ReactNode } from "react";
import { describeNetwork } from "../network/model.ts";
import type { TryReport } from "../network/try.ts";
import { useAsked, usePolled } from "./asked.ts";
import type { NetworkDoor, NetworkLook } from "./network-door.ts";
import { CheckList } from "./widgets/check-list.tsx";
import type { FooterKey } from "./widgets/frame.tsx";
import { Form, type FormProblem } from "./widgets/form.tsx";
import { Menu, type MenuItem } from "./widgets/menu.tsx";
import { Back, Continue, ErrorBox } from "./widgets/message.tsx";
import { StepList, type ProgressStep } from "./widgets/progress.tsx";
import { makeNetwork, type NetworkDraft, type NetworkField } from "./wizard/draft.ts";
import { networkFields } from "./wizard/network-fields.ts";
import { KEYS_CHECK, KEYS_FORM, KEYS_MENU } from "./wizard/wizard-step.tsx";
import { Para } from "./widgets/para.tsx";

interface Props {
  readonly network: NetworkDoor;
  readonly draft: NetworkDraft;
  change(draft: NetworkDraft): void;
  readonly peers: readonly string[];
  readonly expectAddress: string | null;
  /** The address that this server is to have, tested or as it is. */
  onDone(address: string): void;
  onBack(): void;
  /** Puts the content into the caller's frame. */
  frame(keys: readonly FooterKey[], content: ReactNode): ReactNode;
}
type Place = "overview" | "ports" | "form" | "trying";
const REPORT_EVERY_MS = 500;

/** Overview, ports, settings, and the try that keeps them only when they work. Used by the first set-up and afterwards. */
export function NetworkSetup(props: Props): ReactNode {
  const { network, draft, change, frame } = props;
  const [place, setPlace] = useState<Place>("overview");
  const { latest: look } = usePolled(() => network.look(), 2000);
  const begun = useAsked<void>();
  const [problem, setProblem] = useState<FormProblem<NetworkField> | null>(null);
  if (look === null) return frame([{ key: "Esc", does: "back" }], <><Para>Looking at the network ports ...</Para><Back onBack={props.onBack} /></>);

  if (place === "overview") return frame(KEYS_MENU, <Overview {...props} look={look} onSet={() => setPlace("ports")} />);
  if (place === "ports") {
    return frame(KEYS_CHECK, (
      <>
        <Box marginBottom={1}><Para>Which port carries this server? Several make a bond, which survives a lost cable or switch.</Para></Box>
        <CheckList
          items={look.ports.map((port) => ({ id: port.mac, label: `${port.name.padEnd(12)} ${port.mac}  ${port.driver.padEnd(12)} ${linkText(port)}` }))}
          checked={draft.macs.filter((mac) => look.ports.some((port) => port.mac === mac))}
          onChange={(macs) => (setProblem(null), change({ ...draft, macs }))}
          onDone={() => {
            const macs = draft.macs.filter((mac) => look.ports.some((port) => port.mac === mac));
            if (macs.length === 0) return setProblem({ sentence: "Choose a port with Space." });
            setProblem(null);
            change({ ...draft, macs });
            setPlace("form");
          }}
          onBack={() => (setProblem(null), setPlace("overview"))}
        />
        {problem === null ? null : <ErrorBox sentence={problem.sentence} />}
      </>
    ));
  }
  const begin = (): void => {
    const made = makeNetwork(draft);
    if ("problem" in made) return setProblem({ ...made.problem });
    setProblem(null);
    setPlace("trying");
    begun.ask(() => network.begin(made.config, { peers: props.peers, expectAddress: props.expectAddress }));
  };
  if (place === "form") {
    return frame(KEYS_FORM, (
      <>
        <Box marginBottom={1}><Para>{`On ${portNames(look, draft.macs)}. The settings are tried, and kept only when they work.`}</Para></Box>
        <Form
          fields={networkFields(draft, draft.macs.length < look.ports.length)}
          onChange={(id, value) => change({ ...draft, [id]: value })}
          onSubmit={begin}
          onBack={() => setPlace("ports")}
          problem={problem}
        />
      </>
    ));
  }
  if (begun.asked.state === "failed") return frame([{ key: "Enter", does: "change the settings" }], <><ErrorBox sentence={begun.asked.sentence} /><Continue onDone={() => setPlace("form")} /></>);
  return <Trying network={network} begun={begun.asked.state === "answered"} onKept={props.onDone} onChange={() => setPlace("form")} frame={frame} />;
}

function Overview({ network, look, onSet, onDone, onBack, expectAddress }: Props & { look: NetworkLook; onSet(): void }): ReactNode {
  const name = (mac: string): string | null => look.ports.find((port) => port.mac === mac)?.name ?? null;
  const addresses = look.addresses.filter(({ address }) => expectAddress === null || address === expectAddress);
  const items: MenuItem<string>[] = addresses.map(({ address, prefix, device, dynamic }) => ({
    id: address,
    label: `Use ${address}/${prefix} on ${device} as it is${dynamic ? ", by DHCP" : ""}`,
    detail: dynamic
      ? "The address must never change: reserve it in the DHCP server for this port, or give a static one."
      : "The cluster will know this server by this address.",
  }));
  if (network.managed) items.push({ id: "set", label: "Set the network", detail: "Ports, bond, VLAN, MTU, DHCP or a static address. It is tried, and comes back as it is now when it does not work." });
  const now = look.kept === null ? "not set: each port asks DHCP" : describeNetwork(look.kept, name);
  return (
    <>
      <Para>{network.managed ? `The network now: ${now}.` : "By which of this machine's addresses shall the cluster know it?"}</Para>
      {look.ports.length > 0 ? null : <ErrorBox sentence="This server has no network port that VirtuStor knows: build in one, or look whether its driver is in the hardware list." />}
      <Box marginY={1} flexDirection="column">
        {network.managed ? look.ports.slice(0, 6).map((port) => <Text key={port.mac} wrap="truncate">{`   ${port.name.padEnd(12)} ${port.mac}  ${port.driver.padEnd(12)} ${linkText(port)}`}</Text>) : null}
      </Box>
      {items.length === 0 ? (
        <><ErrorBox sentence="This machine has no address yet: connect it to a network." /><Continue onDone={onBack} /></>
      ) : (
        <Menu key={items.length} items={items} {...(addresses.length === 0 || look.kept === null ? { initial: network.managed ? "set" : undefined } : {})} rows={8} onSelect={(id) => (id === "set" ? onSet() : onDone(id))} onBack={onBack} />
      )}
    </>
  );
}

const STEP_NAMES: Readonly<Record<TryReport["steps"][number]["name"], string>> = {
  apply: "Apply the settings",
  link: "The ports have a link",
  free: "Nobody else has the address",
  address: "This server has its address",
  answer: "Somebody answers",
  keep: "Keep the settings",
};

function Trying({ network, begun, onKept, onChange, frame }: { network: NetworkDoor; begun: boolean; onKept(address: string): void; onChange(): void; frame: Props["frame"] }): ReactNode {
  const { latest: report } = usePolled(() => Promise.resolve(begun ? network.report() : null), REPORT_EVERY_MS);
  const kept = report?.phase === "kept" ? report : null;
  useEffect(() => {
    if (kept !== null && kept.warnings.length === 0 && kept.address !== null) onKept(kept.address);
  }, [kept, onKept]);
  const steps: ProgressStep[] = (report?.steps ?? []).map(({ name, state }) => ({ name: STEP_NAMES[name], state }));
  const failed = report?.phase === "rolled-back";
  const keys = failed ? [{ key: "Enter", does: "change the settings" }] : kept !== null ? [{ key: "Enter", does: "go on" }] : [];
  return frame(keys, (
    <>
      <Para>The settings are being tried. When they do not work, the network becomes what it was; this takes up to two minutes, also when this console ends.</Para>
      <Box marginY={1}>{steps.length === 0 ? <Para>Beginning ...</Para> : <StepList steps={steps} />}</Box>
      {report?.phase === "rolling-back" ? <Para color="yellow">They do not work; the network becomes what it was ...</Para> : null}
      {report?.problem == null ? null : <ErrorBox sentence={report.problem} />}
      {failed ? <Para>The network is what it was before.</Para> : null}
      {(kept?.warnings ?? []).map((warning) => <Para key={warning} color="yellow">{warning}</Para>)}
      {failed ? <Continue onDone={onChange} /> : null}
      {kept !== null && kept.address !== null ? <Continue onDone={() => onKept(kept.address ?? "")} /> : null}
    </>
  ));
}

function linkText({ link, speed }: NetworkLook["ports"][number]): string {
  return link === "up" ? `link up${speed === null ? "" : `, ${speed >= 1000 ? `${speed / 1000} Gbit/s` : `${speed} Mbit/s`}`}` : link === "down" ? "NO LINK" : "off";
}

function portNames(look: NetworkLook, macs: readonly string[]): string {
  return macs.map((mac) => look.ports.find((port) => port.mac === mac)?.name ?? mac).join(" and ");
}
