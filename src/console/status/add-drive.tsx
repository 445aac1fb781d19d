import { Box } from "ink";
import { useEffect, useState, type ReactNode } from "react";
import { useAsked } from "../asked.ts";
import { driveLine, driveName } from "../drive-words.ts";
import { ConfirmTyped, ConfirmYes } from "../widgets/confirm.tsx";
import { Menu } from "../widgets/menu.tsx";
import { Back, Continue, ErrorBox } from "../widgets/message.tsx";
import type { LocalDrive, LocalDrives } from "../../management/api/local.ts";
import { KEYS_MENU } from "../wizard/wizard-step.tsx";
import type { ActionProps } from "./actions.tsx";
import { Para } from "../widgets/para.tsx";

/** A free drive of this server begins to store data; what is on it is named, and given up by typing the drive's name. */
export function AddDrive({ server, frame, onDone }: ActionProps): ReactNode {
  const free = useAsked<LocalDrives>();
  const added = useAsked<unknown>();
  const [chosen, setChosen] = useState<LocalDrive | null>(null);
  useEffect(() => {
    free.ask(() => server.freeDrives());
  }, []);
  const title = "add a drive";
  const keys = [{ key: "Esc", does: "back" }];
  if (added.asked.state === "asking") return frame(title, [], <Para color="yellow">{`Formatting ${chosen === null ? "the drive" : driveName(chosen.device)} ...`}</Para>);
  if (added.asked.state === "answered") {
    return frame(title, [{ key: "Enter", does: "done" }], <><Para color="green" bold>{`The drive ${chosen === null ? "" : driveName(chosen.device)} stores data from now on; the status shows how data moves to it.`}</Para><Continue onDone={onDone} /></>);
  }
  if (added.asked.state === "failed") return frame(title, keys, <><ErrorBox sentence={added.asked.sentence} /><Continue onDone={() => (added.forget(), setChosen(null))} /></>);
  if (free.asked.state === "failed") return frame(title, keys, <><ErrorBox sentence={free.asked.sentence} /><Continue onDone={onDone} /></>);
  if (free.asked.state !== "answered") return frame(title, keys, <><Para>Looking at the drives ...</Para><Back onBack={onDone} /></>);
  const { drives } = free.asked.answer;
  if (drives.length === 0) return frame(title, keys, <><Para>This server has no free drive. Put one in and come back; a drive with mounted filesystems or of this system does not count.</Para><Continue onDone={onDone} /></>);
  if (chosen === null) {
    return frame(title, KEYS_MENU, (
      <Menu
        items={drives.map((drive) => ({ id: drive.device, label: driveLine(drive), detail: drive.isEmpty ? "Nothing is on it." : `On it is: ${drive.content}` }))}
        onSelect={(device) => setChosen(drives.find((one) => one.device === device) ?? null)}
        onBack={onDone}
      />
    ));
  }
  const add = (): void => added.ask(() => server.addDrive({ device: chosen.device, ...(!chosen.isEmpty && { wipe: chosen.device }) }));
  return frame(title, KEYS_MENU, chosen.isEmpty ? (
    <ConfirmYes yes={`Format ${driveName(chosen.device)} and add it`} no="Go back" onConfirm={add} onBack={() => setChosen(null)}>
      <Para>{driveLine(chosen)}</Para>
    </ConfirmYes>
  ) : (
    <ConfirmTyped word={driveName(chosen.device)} onConfirm={add} onBack={() => setChosen(null)}>
      <Para>{driveLine(chosen)}</Para>
      <Box marginY={1}><Para bold color="yellow">{`On it is: ${chosen.content}`}</Para></Box>
      <Para bold color="red">All of it is lost for good.</Para>
    </ConfirmTyped>
  ));
}
