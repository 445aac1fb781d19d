import { ActionIcon, Anchor, AppShell, Badge, Burger, Button, Group, Menu, NavLink, ScrollArea, Text, useMantineColorScheme, VisuallyHidden } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconBell, IconCheck, IconDatabase, IconDeviceDesktop, IconGauge, IconHistory, IconKey, IconLogout, IconMoon, IconServer2, IconSettings, IconSun, IconUser, IconDevices } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import type { StatusAnswer } from "../management/api.ts";
import type { AlertsAnswer } from "../management/api/monitor.ts";
import type { LogoutAnswer } from "../management/api/users.ts";
import { call } from "./api/client.ts";
import { queryClient, useApi } from "./api/queries.ts";
import { Banners, EvaluationBanner } from "./parts/banners.tsx";
import { HealthIcon, healthColor, healthWord } from "./parts/health.tsx";
import { Logo } from "./parts/logo.tsx";
import { PasswordDialog } from "./parts/password-dialog.tsx";
import { useSession } from "./session.tsx";

const PAGES = [
  { path: "/", label: "Dashboard", icon: IconGauge },
  { path: "/volumes", label: "Volumes", icon: IconDatabase },
  { path: "/hosts", label: "Hosts", icon: IconDevices },
  { path: "/servers", label: "Servers and drives", icon: IconServer2 },
  { path: "/alerts", label: "Alerts and events", icon: IconBell },
  { path: "/settings", label: "Settings", icon: IconSettings },
  { path: "/audit", label: "Audit", icon: IconHistory },
] as const;

export function Shell({ children }: { readonly children: ReactNode }): ReactNode {
  const [opened, { toggle, close }] = useDisclosure(false);
  const status = useApi<StatusAnswer>("/status", ["status"]);
  return (
    <AppShell header={{ height: 56 }} navbar={{ width: 232, breakpoint: "sm", collapsed: { mobile: !opened } }} padding={{ base: "md", md: "xl" }}>
      <a className="skip-link" href="#content">
        To the content
      </a>
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap" gap="sm">
          <Group gap="sm" wrap="nowrap" miw={0}>
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={opened ? "Close the navigation" : "Open the navigation"} />
            <Logo size={28} />
            <Text fw={650} truncate>
              {status.data?.cluster?.name ?? "VirtuStor"}
            </Text>
            {status.data && <HealthBadge status={status.data} />}
          </Group>
          <Group gap={4} wrap="nowrap">
            <SchemeMenu />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs">
        <AppShell.Section grow component={ScrollArea}>
          <Navigation onGo={close} />
        </AppShell.Section>
        <Text size="xs" c="dimmed" px="sm" py="xs">
          Served by {location.host}
        </Text>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Banners status={status.data} />
        <EvaluationBanner />
        {children}
      </AppShell.Main>
    </AppShell>
  );
}

function Navigation({ onGo }: { readonly onGo: () => void }): ReactNode {
  const [path] = useLocation();
  const alerts = useApi<AlertsAnswer>("/alerts", ["alerts"]);
  const open = alerts.data?.alerts.filter(({ clearedAtMs, acknowledged }) => clearedAtMs === null && acknowledged === null).length ?? 0;
  return (
    <nav aria-label="Pages">
      {PAGES.map(({ path: target, label, icon: Icon }) => {
        const active = target === "/" ? path === "/" : path === target || path.startsWith(`${target}/`);
        return (
          <NavLink
            key={target}
            component={Link}
            href={target}
            label={label}
            active={active}
            aria-current={active ? "page" : undefined}
            onClick={onGo}
            leftSection={<Icon size={18} aria-hidden />}
            rightSection={
              target === "/alerts" && open > 0 ? (
                <Badge size="sm" color="red" circle={open < 10} aria-label={`${open} not acknowledged`}>
                  {open}
                </Badge>
              ) : null
            }
            mb={2}
            style={{ borderRadius: 8 }}
          />
        );
      })}
    </nav>
  );
}

function HealthBadge({ status }: { readonly status: StatusAnswer }): ReactNode {
  const { state } = status.health;
  return (
    <Anchor component={Link} href="/" underline="never" aria-label={`The cluster is ${healthWord(state).toLowerCase()}; to the dashboard`}>
      <Badge variant="light" color={healthColor(state)} size="lg" tt="none" fw={600} leftSection={<HealthIcon state={state} size={14} />} style={{ cursor: "pointer" }}>
        {healthWord(state)}
      </Badge>
    </Anchor>
  );
}

function SchemeMenu(): ReactNode {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const choices = [
    { value: "light", label: "Light", icon: IconSun },
    { value: "dark", label: "Dark", icon: IconMoon },
    { value: "auto", label: "As the system", icon: IconDeviceDesktop },
  ] as const;
  const Current = choices.find(({ value }) => value === colorScheme)?.icon ?? IconDeviceDesktop;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Light or dark">
          <Current size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {choices.map(({ value, label, icon: Icon }) => (
          <Menu.Item key={value} leftSection={<Icon size={16} />} rightSection={value === colorScheme ? <IconCheck size={14} /> : null} onClick={() => setColorScheme(value)}>
            {label}
            {value === colorScheme && <VisuallyHidden> (chosen)</VisuallyHidden>}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function UserMenu(): ReactNode {
  const { name, role } = useSession();
  const [changing, setChanging] = useState(false);
  const logout = async (): Promise<void> => {
    // Without an answer the session's cookie stays; asking for the session then shows so.
    await call<LogoutAnswer>("POST", "/logout").catch(() => {});
    queryClient.clear();
    location.assign("/");
  };
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="subtle" color="gray" px="xs" leftSection={<IconUser size={18} />} aria-label={`User ${name}`}>
            <Text size="sm" visibleFrom="xs">
              {name}
            </Text>
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            {name}, {role}
          </Menu.Label>
          {name !== "token" && (
            <Menu.Item leftSection={<IconKey size={16} />} onClick={() => setChanging(true)}>
              Change password
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void logout()}>
            Log out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <PasswordDialog opened={changing} onClose={() => setChanging(false)} />
    </>
  );
}
