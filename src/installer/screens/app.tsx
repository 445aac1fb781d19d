import { Text } from "ink";
import { useState, type ReactNode } from "react";
import { ErrorBox } from "../../console/widgets/message.tsx";
import { Frame } from "../../console/widgets/frame.tsx";
import { Menu } from "../../console/widgets/menu.tsx";
import type { DriveChoice } from "../drives.ts";
import { messageOf } from "../words.ts";
import type { Choice, Progress } from "../installation.ts";
import type { Plan } from "../plan.ts";
import { isFit, preflight, type MachineFacts } from "../preflight.ts";
import { ChooseDrive, ConfirmErase, ConfirmVirtustor, KeepOrErase } from "./choose.tsx";
import { Done, Failed, Installing, Preflight } from "./report.tsx";

/** What the screens need of the machine; tests give one without hardware. */
export interface InstallerServices {
  readonly version: string;
  readMachine(): Promise<MachineFacts>;
  /** Resolves with the installed version; rejects with a sentence. */
  install(choice: Choice, report: (progress: Progress) => void): Promise<{ version: string }>;
  restart(): Promise<void>;
  powerOff(): Promise<void>;
  /** Leaves the installer for the console of a server that keeps nothing. */
  lookAround(): Promise<void>;
}

type Page =
  | { readonly at: "welcome"; readonly problem?: string }
  | { readonly at: "reading" }
  | { readonly at: "preflight"; readonly facts: MachineFacts }
  | { readonly at: "drive"; readonly facts: MachineFacts; readonly device?: string }
  | { readonly at: "virtustor"; readonly facts: MachineFacts; readonly drive: DriveChoice }
  | { readonly at: "keep"; readonly facts: MachineFacts; readonly drive: DriveChoice }
  | { readonly at: "confirm"; readonly facts: MachineFacts; readonly choice: Choice }
  | { readonly at: "installing"; readonly choice: Choice; readonly progress: Progress | null }
  | { readonly at: "done"; readonly choice: Choice; readonly version: string }
  | { readonly at: "failed"; readonly sentence: string };

/** The installer, from the first question to "remove the medium". */
export function InstallerApp({ services }: { services: InstallerServices }): ReactNode {
  const [page, setPage] = useState<Page>({ at: "welcome" });
  const welcome = (problem?: string): void => setPage({ at: "welcome", ...(problem !== undefined && { problem }) });
  const machine = (work: Promise<void>): void => void work.catch((error: unknown) => welcome(messageOf(error)));

  const read = (): void => {
    setPage({ at: "reading" });
    services.readMachine().then((facts) => setPage({ at: "preflight", facts }), (error: unknown) => welcome(messageOf(error)));
  };
  /** A drive was chosen: what is on it decides which questions follow. */
  const chosen = (facts: MachineFacts, drive: DriveChoice): void => {
    if (drive.holds === "data") setPage({ at: "virtustor", facts, drive });
    else if (drive.holds === "system") setPage({ at: "keep", facts, drive });
    else setPage({ at: "confirm", facts, choice: { drive, mode: "erase" } });
  };
  const kept = (facts: MachineFacts, drive: DriveChoice, mode: Plan["mode"]): void => {
    if (mode === "erase") setPage({ at: "virtustor", facts, drive });
    else setPage({ at: "confirm", facts, choice: { drive, mode } });
  };
  const begin = (choice: Choice): void => {
    setPage({ at: "installing", choice, progress: null });
    const report = (progress: Progress): void => setPage((now) => (now.at === "installing" ? { ...now, progress } : now));
    services.install(choice, report).then(({ version }) => setPage({ at: "done", choice, version }), (error: unknown) => setPage({ at: "failed", sentence: messageOf(error) }));
  };

  switch (page.at) {
    case "welcome":
      return <Welcome services={services} problem={page.problem} onInstall={read} onMachine={machine} />;
    case "reading":
      return (
        <Frame title="VirtuStor installation" right={services.version} keys={[]}>
          <Text>Looking at this machine and its drives ...</Text>
        </Frame>
      );
    case "preflight":
      return <Preflight checks={preflight(page.facts)} onAgain={read} onBack={welcome} onGoOn={isFit(preflight(page.facts)) ? () => setPage({ at: "drive", facts: page.facts }) : null} />;
    case "drive":
      return <ChooseDrive drives={page.facts.drives} initial={page.device} onBack={() => setPage({ at: "preflight", facts: page.facts })} onChoose={(drive) => chosen(page.facts, drive)} />;
    case "keep":
      return <KeepOrErase drive={page.drive} onBack={() => setPage({ at: "drive", facts: page.facts, device: page.drive.device })} onChoose={(mode) => kept(page.facts, page.drive, mode)} />;
    case "virtustor":
      return (
        <ConfirmVirtustor
          drive={page.drive}
          onBack={() => setPage({ at: "drive", facts: page.facts, device: page.drive.device })}
          onConfirm={() => setPage({ at: "confirm", facts: page.facts, choice: { drive: page.drive, mode: "erase" } })}
        />
      );
    case "confirm":
      return <ConfirmErase choice={page.choice} onBack={() => setPage({ at: "drive", facts: page.facts, device: page.choice.drive.device })} onConfirm={() => begin(page.choice)} />;
    case "installing":
      return <Installing choice={page.choice} progress={page.progress} />;
    case "done":
      return <Done choice={page.choice} version={page.version} onRestart={() => machine(services.restart())} />;
    case "failed":
      return <Failed sentence={page.sentence} onBack={welcome} />;
  }
}

function Welcome(props: { services: InstallerServices; problem: string | undefined; onInstall(): void; onMachine(work: Promise<void>): void }): ReactNode {
  const { services, problem } = props;
  return (
    <Frame title="VirtuStor installation" right={services.version} keys={[{ key: "Up/Down", does: "choose" }, { key: "Enter", does: "go on" }]}>
      <Text>This machine was started from the installation medium. Nothing on its drives has been changed.</Text>
      <Text> </Text>
      <Menu
        items={[
          { id: "install", label: "Install VirtuStor", detail: "Checks this machine, asks for the drive that the system shall be on, and installs it there. Data drives are chosen later, when the server is set up." },
          { id: "look", label: "Try without installing", detail: "Runs VirtuStor from memory for a look at its console. Nothing is kept: settings are gone with the next restart." },
          { id: "restart", label: "Restart", detail: "Restarts this machine. Remove the medium to start from its own drive." },
          { id: "power-off", label: "Power off" },
        ]}
        onSelect={(id) => {
          if (id === "install") props.onInstall();
          else props.onMachine(id === "look" ? services.lookAround() : id === "restart" ? services.restart() : services.powerOff());
        }}
      />
      {problem === undefined ? null : <ErrorBox sentence={problem} />}
    </Frame>
  );
}
