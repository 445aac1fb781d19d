import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";
import { useLocation } from "wouter";
import { useMayChange } from "../../session.tsx";
import { Page } from "../../parts/page.tsx";
import { AboutPanel } from "./about.tsx";
import { NetworkPanel } from "./network.tsx";
import { NotificationsPanel } from "./notifications.tsx";
import { ResiliencePanel } from "./resilience.tsx";
import { UsersPanel } from "./users.tsx";

const PANELS = [
  { value: "notifications", label: "Notifications", panel: NotificationsPanel },
  { value: "users", label: "Users", panel: UsersPanel },
  { value: "resilience", label: "Failures", panel: ResiliencePanel },
  { value: "network", label: "Network and time", panel: NetworkPanel },
  { value: "about", label: "About", panel: AboutPanel },
] as const;

export function SettingsPage({ panel }: { readonly panel: string | undefined }): ReactNode {
  const [, go] = useLocation();
  const mayChange = useMayChange();
  // Who else there is, the API tells administrators only.
  const panels = PANELS.filter(({ value }) => mayChange || value !== "users");
  const known = panels.find(({ value }) => value === panel)?.value ?? "notifications";
  return (
    <Page title="Settings">
      <Tabs value={known} onChange={(value) => go(`/settings/${value ?? ""}`)} keepMounted={false}>
        <Tabs.List mb="md">
          {panels.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {panels.map(({ value, panel: Panel }) => (
          <Tabs.Panel key={value} value={value}>
            <Panel />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
