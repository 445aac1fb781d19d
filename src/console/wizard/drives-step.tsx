import { Box } from "ink";
import { useEffect, useState, type ReactNode } from "react";
import { useAsked } from "../asked.ts";
import { driveLine, driveName, driveSize } from "../drive-words.ts";
import { CheckList } from "../widgets/check-list.tsx";
import { ConfirmTyped } from "../widgets/confirm.tsx";
import { Back, Continue, ErrorBox } from "../widgets/message.tsx";
import type { LocalDrive, LocalDrives } from "../../management/api/local.ts";
import { KEYS_CHECK, StepFrame, type StepProps } from "./wizard-step.tsx";
import { Para } from "../widgets/para.tsx";

/** Free drives for data. What is on one is named, and given up only by typing the drive's name. */
export function DrivesStep({ draft, change, next, back, place, server }: StepProps): ReactNode {
  const free = useAsked<LocalDrives>();
  const [confirming, setConfirming] = useState<LocalDrive | null>(null);
  useEffect(() => {
    free.ask(() => server.freeDrives());
  }, []);
  const title = "drives for data";
  if (free.asked.state === "failed") return <StepFrame title={title} place={place} draft={draft} keys={[{ key: "Enter", does: "back" }]}><ErrorBox sentence={free.asked.sentence} /><Continue onDone={back} /></StepFrame>;
  if (free.asked.state !== "answered") return <StepFrame title={title} place={place} draft={draft} keys={[{ key: "Esc", does: "back" }]}><Para>Looking at the drives ...</Para><Back onBack={back} /></StepFrame>;
  const drives = free.asked.answer.drives;
  const chosen = drives.filter(({ device }) => draft.drives.includes(device));

  /** The first chosen drive with something on it that nobody has given up yet; without one the step is done. */
  const goOn = (wiped: readonly string[]): void => {
    const open = chosen.find(({ device, isEmpty }) => !isEmpty && !wiped.includes(device)) ?? null;
    setConfirming(open);
    change({ wiped, drives: chosen.map(({ device }) => device) });
    if (open === null) next();
  };
  if (confirming !== null) {
    const { device, content, sizeBytes, model, serial } = confirming;
    return (
      <StepFrame title={title} place={place} draft={draft} keys={[{ key: "Enter", does: "confirm" }, { key: "Esc", does: "back" }]}>
        <ConfirmTyped key={device} word={driveName(device)} onConfirm={() => goOn([...draft.wiped, device])} onBack={() => setConfirming(null)}>
          <Para>{`On the drive ${driveName(device)} (${[driveSize(sizeBytes), model, serial].filter((text) => text !== "").join(", ")}) there is:`}</Para>
          <Box marginY={1}><Para bold color="yellow">{`    ${content}`}</Para></Box>
          <Para bold color="red">All of it is lost for good when the set-up begins.</Para>
        </ConfirmTyped>
      </StepFrame>
    );
  }
  if (drives.length === 0) {
    return (
      <StepFrame title={title} place={place} draft={draft} keys={[{ key: "Enter", does: "go on" }, { key: "Esc", does: "back" }]}>
        <Para>This server has no free drive. It can be part of the cluster without one, and store data as soon as a drive is added on this console or in the web UI.</Para>
        <NoDrives onDone={() => (change({ drives: [] }), next())} onBack={back} />
      </StepFrame>
    );
  }
  return (
    <StepFrame title={title} place={place} draft={draft} keys={KEYS_CHECK}>
      <Box marginBottom={1}><Para>Which drives shall store data? Each is formatted when the set-up begins. More can be added at any time.</Para></Box>
      <CheckList
        items={drives.map((drive) => ({ id: drive.device, label: driveLine(drive), detail: `${drive.device}: ${drive.isEmpty ? "nothing is on it" : `on it is: ${drive.content}`}` }))}
        checked={chosen.map(({ device }) => device)}
        onChange={(devices) => change({ drives: devices, wiped: draft.wiped.filter((one) => devices.includes(one)) })}
        onDone={() => goOn(draft.wiped)}
        onBack={back}
      />
    </StepFrame>
  );
}

function NoDrives({ onDone, onBack }: { onDone(): void; onBack(): void }): ReactNode {
  return <CheckList items={[]} checked={[]} onChange={() => undefined} onDone={onDone} onBack={onBack} />;
}
