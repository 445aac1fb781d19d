import { Button, Center, Loader, Stack, Text, Title } from "@mantine/core";
import { useEffect, type ReactNode } from "react";
import { Route, Switch } from "wouter";
import { listen } from "./api/live.ts";
import { refresh } from "./api/queries.ts";
import { LoginPage } from "./login-page.tsx";
import { AlertsPage } from "./pages/alerts/page.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { DashboardPage } from "./pages/dashboard/page.tsx";
import { HostsPage } from "./pages/hosts/page.tsx";
import { NotFoundPage } from "./pages/not-found.tsx";
import { ServersPage } from "./pages/servers/page.tsx";
import { SettingsPage } from "./pages/settings/page.tsx";
import { VolumesPage } from "./pages/volumes/page.tsx";
import { VolumePage } from "./pages/volumes/volume-page.tsx";
import { SessionProvider, useSessionState } from "./session.tsx";
import { Shell } from "./shell.tsx";

/** Who is there decides what is shown: the login, or the pages. */
export function App(): ReactNode {
  const state = useSessionState();
  switch (state.kind) {
    case "loading":
      return (
        <Center mih="100dvh">
          <Loader aria-label="Loading" />
        </Center>
      );
    case "failed":
      return <Unreachable sentence={state.error.message} again={state.again} />;
    case "none":
      return <LoginPage />;
    case "here":
      return (
        <SessionProvider session={state.session}>
          <Live />
          <Shell>
            <Pages />
          </Shell>
        </SessionProvider>
      );
  }
}

function Pages(): ReactNode {
  return (
    <Switch>
      <Route path="/" component={DashboardPage} />
      <Route path="/volumes" component={VolumesPage} />
      <Route path="/volumes/:name">{({ name }) => <VolumePage key={name} name={name} />}</Route>
      <Route path="/hosts" component={HostsPage} />
      <Route path="/servers" component={ServersPage} />
      <Route path="/alerts" component={AlertsPage} />
      <Route path="/settings/:panel?">{({ panel }) => <SettingsPage panel={panel} />}</Route>
      <Route path="/audit" component={AuditPage} />
      <Route component={NotFoundPage} />
    </Switch>
  );
}

function Live(): null {
  useEffect(() => listen(refresh), []);
  return null;
}

function Unreachable({ sentence, again }: { readonly sentence: string; readonly again: () => void }): ReactNode {
  return (
    <Center mih="100dvh" p="md" component="main">
      <Stack maw={480} align="center" ta="center">
        <Title order={1} size="h2">
          This server cannot be used now
        </Title>
        <Text>{sentence}</Text>
        <Text c="dimmed">It is asked again every few seconds. Any other server of the cluster shows the same pages.</Text>
        <Button onClick={again}>Ask again</Button>
      </Stack>
    </Center>
  );
}
