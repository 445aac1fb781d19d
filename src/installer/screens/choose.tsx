import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { ConfirmTyped, ConfirmYes } from "../../console/widgets/confirm.tsx";
import { Frame } from "../../console/widgets/frame.tsx";
import { Menu } from "../../console/widgets/menu.tsx";
import { Facts } from "../../console/widgets/message.tsx";
import type { DriveChoice } from "../drives.ts";
import { wordToType, type Choice } from "../installation.ts";
import { keepStateRefusal, partitionOf, planInstallation, type Plan } from "../plan.ts";
import { bytesText } from "../words.ts";

const BACK = { key: "Esc", does: "back" };
const GO_ON = { key: "Enter", does: "go on" };
const MOVE = { key: "Up/Down", does: "choose" };
/** Rows of the list; below it stands what is on the chosen drive. */
const DRIVE_ROWS = 9;
const RANK: Readonly<Record<DriveChoice["holds"], number>> = { nothing: 0, foreign: 1, system: 2, data: 3, medium: 4 };
/** Lines of what is on a drive; a drive may have 128 partitions. */
const CONTENT_LINES_MAX = 6;

export function ChooseDrive(props: { drives: readonly DriveChoice[]; initial: string | undefined; onChoose(drive: DriveChoice): void; onBack(): void }): ReactNode {
  const { drives } = props;
  const width = (of: (drive: DriveChoice) => string): number => Math.max(...drives.map((drive) => of(drive).length));
  const [models, sizes] = [Math.min(width(({ model }) => model), 24), width(({ sizeBytes }) => bytesText(sizeBytes))];
  // Those that can be chosen first, and among them those with the least to lose: the cursor is on the first one.
  const rank = ({ refusal, holds }: DriveChoice): number => (refusal === null ? RANK[holds] : RANK.medium);
  const order = [...drives].sort((one, other) => rank(one) - rank(other));
  return (
    <Frame title="Which drive shall the system be on?" keys={[MOVE, GO_ON, BACK]}>
      <Text>The system needs a drive of its own, of 16 GiB or more. Everything on it is erased.</Text>
      <Text> </Text>
      <Menu
        items={order.map((drive) => ({
          id: drive.device,
          label: drive.device,
          value: `${drive.model.slice(0, models).padEnd(models)}  ${bytesText(drive.sizeBytes).padStart(sizes)}  ${kindText(drive)}  ${inShort(drive)}`,
          detail: [`Serial number ${serialText(drive)}. On it:`, ...contentLines(drive)].join("\n"),
          disabled: drive.refusal ?? undefined,
        }))}
        initial={props.initial}
        rows={DRIVE_ROWS}
        onSelect={(device) => {
          const drive = drives.find((one) => one.device === device);
          if (drive !== undefined) props.onChoose(drive);
        }}
        onBack={props.onBack}
      />
    </Frame>
  );
}

/** The second question, which only drives with something of VirtuStor's on them meet. */
export function ConfirmVirtustor({ drive, onConfirm, onBack }: { drive: DriveChoice; onConfirm(): void; onBack(): void }): ReactNode {
  const data = drive.holds === "data";
  return (
    <Frame title={data ? "This is a VirtuStor data drive" : "This drive holds a VirtuStor system"} keys={[MOVE, GO_ON, BACK]}>
      <ConfirmYes yes="Erase it nevertheless" no="Go back and choose another drive" onConfirm={onConfirm} onBack={onBack}>
        <DriveFacts drive={drive} />
        <Text> </Text>
        <Text color="yellow" bold>
          {data
            ? "Copies of volumes lie on it. Should other copies be missing at this moment, or be lost before the cluster has made new ones, the data is gone for good. Remove the drive from its cluster first, or choose another one."
            : "The state of a server lies on it: its name, its certificate and its part of the cluster. Erased, that server is gone from its cluster and has to be removed there and to join again."}
        </Text>
      </ConfirmYes>
    </Frame>
  );
}

export function KeepOrErase({ drive, onChoose, onBack }: { drive: DriveChoice; onChoose(mode: Plan["mode"]): void; onBack(): void }): ReactNode {
  return (
    <Frame title="This drive holds a VirtuStor system" keys={[MOVE, GO_ON, BACK]}>
      <DriveFacts drive={drive} />
      <Text> </Text>
      <Menu
        items={[
          {
            id: "keep-state",
            label: "Install again and keep the state of this server",
            detail: "Both system slots are replaced. Name, network, certificate and its part of the cluster stay.",
            disabled: keepStateRefusal(drive) ?? undefined,
          },
          { id: "erase", label: "Erase everything on the drive", detail: "The server begins as a new one." },
        ]}
        onSelect={onChoose}
        onBack={onBack}
      />
    </Frame>
  );
}

export function ConfirmErase({ choice, onConfirm, onBack }: { choice: Choice; onConfirm(): void; onBack(): void }): ReactNode {
  const { drive, mode } = choice;
  const plan = planInstallation(drive, mode);
  const keeps = mode === "keep-state";
  return (
    <Frame title={keeps ? "Install again on this drive?" : "Erase this drive?"} keys={[GO_ON, BACK]}>
      <ConfirmTyped word={wordToType(drive, mode)} onConfirm={onConfirm} onBack={onBack}>
        <DriveFacts drive={drive} />
        <Text> </Text>
        <Text color="yellow" bold>
          {keeps ? "The system on this drive is replaced. The state of the server stays." : "Everything on this drive will be lost. It cannot be brought back."}
        </Text>
        <Text>
          {`It gets two system slots of ${bytesText(partitionOf(plan, "slotA").sizeBytes)} and ${bytesText(partitionOf(plan, "state").sizeBytes)} for the server's state.${
            plan.unusedBytes > 0 ? ` ${bytesText(plan.unusedBytes)} stay unused: data belongs on other drives.` : ""
          }`}
        </Text>
      </ConfirmTyped>
    </Frame>
  );
}

function DriveFacts({ drive }: { drive: DriveChoice }): ReactNode {
  return (
    <Box flexDirection="column">
      <Facts facts={[["Drive", drive.device], ["Model", drive.model], ["Serial", serialText(drive)], ["Size", `${bytesText(drive.sizeBytes)}, ${kindText(drive)}`], ["On it", contentLines(drive).join("\n")]]} />
    </Box>
  );
}

function serialText({ serial }: DriveChoice): string {
  return serial === "" ? "none that it tells" : serial;
}

function kindText({ bus, rotational, removable }: DriveChoice): string {
  return `${bus} ${bus === "virtio" ? "drive" : rotational ? "disk" : "SSD"}${removable ? ", removable" : ""}`;
}

function inShort({ holds, content }: DriveChoice): string {
  if (holds === "data") return "VirtuStor data";
  if (holds === "system") return "VirtuStor system";
  return holds === "medium" ? "this medium" : (content[0] ?? "");
}

function contentLines({ content }: DriveChoice): string[] {
  if (content.length <= CONTENT_LINES_MAX) return [...content];
  return [...content.slice(0, CONTENT_LINES_MAX - 1), `and ${content.length - CONTENT_LINES_MAX + 1} more`];
}
