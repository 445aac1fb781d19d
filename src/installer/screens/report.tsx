import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { Frame } from "../../console/widgets/frame.tsx";
import { Continue, ErrorBox } from "../../console/widgets/message.tsx";
import { useKeys } from "../../console/widgets/mount.ts";
import { ProgressBar, StepList, type ProgressStep } from "../../console/widgets/progress.tsx";
import type { Choice, Progress } from "../installation.ts";
import type { Check } from "../preflight.ts";
import { STEPS } from "../steps.ts";

const MARKS: Readonly<Record<Check["verdict"], readonly [mark: string, colour: string]>> = { good: ["[ ok ]", "green"], warning: ["[warn]", "yellow"], refused: ["[FAIL]", "red"] };

/** `onGoOn` is null when something stands against an installation. */
export function Preflight({ checks, onGoOn, onAgain, onBack }: { checks: readonly Check[]; onGoOn: (() => void) | null; onAgain(): void; onBack(): void }): ReactNode {
  useKeys((key) => {
    if (key.name === "enter") (onGoOn ?? onAgain)();
    else if (key.name === "escape") onBack();
    else if (key.text.toLowerCase() === "r") onAgain();
    else return false;
    return true;
  });
  const keys = [{ key: "Enter", does: onGoOn === null ? "check again" : "go on" }, { key: "R", does: "check again" }, { key: "Esc", does: "back" }];
  return (
    <Frame title="Is this machine fit for VirtuStor?" keys={onGoOn === null ? keys.filter(({ key }) => key !== "R") : keys}>
      {checks.map(({ name, verdict, sentence }) => (
        <Box key={name} flexShrink={0} marginBottom={1}>
          <Box flexShrink={0}><Text color={MARKS[verdict][1]} bold={verdict !== "good"}>{`${MARKS[verdict][0]} ${name.padEnd(10)} `}</Text></Box>
          <Text>{sentence}</Text>
        </Box>
      ))}
      {onGoOn === null ? <Text color="red" bold>VirtuStor cannot be installed here before that is put right.</Text> : null}
    </Frame>
  );
}

export function Installing({ choice, progress }: { choice: Choice; progress: Progress | null }): ReactNode {
  const steps = STEPS.map(({ title }, index): ProgressStep => {
    const at = (progress?.step ?? 1) - 1;
    return { name: title, state: index < at ? "done" : index === at ? "running" : "waiting" };
  });
  return (
    <Frame title={`Installing on ${choice.drive.device} (${choice.drive.model})`} keys={[]}>
      <StepList steps={steps} />
      <Box marginTop={1}>
        <ProgressBar fraction={progress?.fraction ?? null} label={progress === null ? "" : `step ${progress.step} of ${progress.of}`} />
      </Box>
      <Box marginTop={1}>
        <Text>Do not power off and do not remove the medium. Should it happen, the drive does not start; install again then.</Text>
      </Box>
    </Frame>
  );
}

export function Done({ choice, version, onRestart }: { choice: Choice; version: string; onRestart(): void }): ReactNode {
  useKeys((key) => {
    if (key.name !== "enter") return false;
    onRestart();
    return true;
  });
  return (
    <Frame title="VirtuStor is installed" keys={[{ key: "Enter", does: "restart" }]}>
      <Text color="green" bold>{`VirtuStor ${version} is installed on ${choice.drive.device} (${choice.drive.model}).`}</Text>
      <Text> </Text>
      <Text bold>Remove the installation medium now, then press Enter to restart.</Text>
      <Text> </Text>
      <Text>
        {choice.mode === "keep-state"
          ? "The server comes back with its name, its network and its part of the cluster."
          : "After the restart this console asks whether the server shall form a new cluster or join one."}
      </Text>
    </Frame>
  );
}

export function Failed({ sentence, onBack }: { sentence: string; onBack(): void }): ReactNode {
  return (
    <Frame title="The installation failed" keys={[{ key: "Enter", does: "back to the beginning" }]}>
      <ErrorBox sentence={sentence} />
      <Continue onDone={onBack} />
    </Frame>
  );
}
