import { Alert, List, Stack, Tabs, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { connectSteps, type Connection, type System } from "../connect.ts";
import { CopyBlock } from "./copy-block.tsx";

const SYSTEMS: readonly { readonly value: System; readonly label: string }[] = [
  { value: "linux", label: "Linux" },
  { value: "vmware", label: "VMware" },
  { value: "windows", label: "Windows" },
];

/** What to do on the host, to be copied. */
export function ConnectSteps({ connection }: { readonly connection: Connection }): ReactNode {
  return (
    <Tabs defaultValue="linux" keepMounted={false}>
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
            <List type="ordered" spacing="md" styles={{ itemWrapper: { width: "100%" }, itemLabel: { width: "100%", minWidth: 0 }, item: { width: "100%" } }} listStyleType="none" p={0}>
              {connectSteps(value, connection).map(({ title, text, code }, index) => (
                <List.Item key={title}>
                  <Text fw={600} size="sm">
                    {index + 1}. {title}
                  </Text>
                  {code === undefined ? <Text size="sm">{text}</Text> : <CopyBlock label={text ?? ""} text={code} />}
                </List.Item>
              ))}
            </List>
          </Stack>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
