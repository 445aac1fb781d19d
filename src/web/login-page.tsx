import { Alert, Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import { useState, type FormEvent, type ReactNode } from "react";
import type { HealthAnswer } from "../management/api.ts";
import type { LoginBody, SessionAnswer } from "../management/api/users.ts";
import { call, sentenceOf } from "./api/client.ts";
import { queryClient, SESSION, useApi } from "./api/queries.ts";
import { Logo } from "./parts/logo.tsx";
import { healthWord } from "./parts/health.tsx";

export function LoginPage(): ReactNode {
  const [name, setName] = useState("admin");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [working, setWorking] = useState(false);
  const health = useApi<HealthAnswer>("/health", ["status"]);

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setWorking(true);
    setError(null);
    try {
      const body: LoginBody = { name: name.trim(), password };
      const session = await call<SessionAnswer>("POST", "/login", body);
      queryClient.setQueryData(SESSION, session);
    } catch (thrown) {
      setError(sentenceOf(thrown));
      setPassword("");
    } finally {
      setWorking(false);
    }
  };

  return (
    <Center mih="100dvh" p="md" component="main">
      <Stack w="100%" maw={400} gap="lg">
        <Stack gap={4} align="center">
          <Logo size={48} />
          <Title order={1} size="h2">
            VirtuStor
          </Title>
          <Text c="dimmed" size="sm">
            Log in at {location.host}
          </Text>
        </Stack>
        <Paper withBorder p="lg" shadow="sm">
          <form onSubmit={(event) => void submit(event)}>
            <Stack>
              {error !== null && (
                <Alert color="red" icon={<IconAlertCircle />} role="alert">
                  {error}
                </Alert>
              )}
              <TextInput label="User" name="username" autoComplete="username" required value={name} onChange={(event) => setName(event.currentTarget.value)} />
              <PasswordInput label="Password" name="password" autoComplete="current-password" required autoFocus value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
              <Button type="submit" loading={working} fullWidth>
                Log in
              </Button>
            </Stack>
          </form>
        </Paper>
        <Text c="dimmed" size="sm" ta="center">
          {health.data ? `The cluster is ${healthWord(health.data.state).toLowerCase()}. ` : ""}A forgotten password is set anew on the console of any server.
        </Text>
      </Stack>
    </Center>
  );
}
