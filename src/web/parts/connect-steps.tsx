import { Alert, Stack, Tabs } from "@mantine/core";
import type { ReactNode } from "react";
import { connectSteps, systemOf, type Connection, type System } from "../connect.ts";
import { CopyBlock } from "./copy-block.tsx";

const SYSTEMS: readonly { readonly value: System; readonly label: string }[] = [
  { value: "linux", label: "Linux" },
  { value: "vmware", label: "VMware" },
  { value: "windows", label: "Windows" },
];

/** What to do on the host, to be copied. */
export function ConnectSteps({ connection }: { readonly connection: Connection }): ReactNode {
  return (
    <Tabs defaultValue={systemOf(connection.iqns)} keepMounted={false}>
      <Tabs.List mb="md">
        {SYSTEMS.map(({ value, label }) => (
          <Tabs.Tab key={value} value={value}>
            {label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {SYSTEMS.map(({ value }) => (
        <Tabs.Panel key={value} value={value}>
          <Stack gap="md">
            {connection.chapUser !== null && <Alert color="cyan">Put the CHAP secret of this host in the place of CHAP-SECRET: VirtuStor never shows it again.</Alert>}
            <Stack component="ol" gap="md" p={0} m={0} style={{ listStyle: "none" }}>
              {connectSteps(value, connection).map(({ title, text, code }, index) => (
                <li key={title}>
                  <CopyBlock title={`${index + 1}. ${title}`} note={text} text={code} />
                </li>
              ))}
            </Stack>
          </Stack>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
