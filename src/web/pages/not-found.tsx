import { Anchor, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { Page } from "../parts/page.tsx";

export function NotFoundPage(): ReactNode {
  const [path] = useLocation();
  return (
    <Page title="No such page">
      <Text>
        There is nothing at {path}.{" "}
        <Anchor component={Link} href="/">
          Go to the dashboard
        </Anchor>
      </Text>
    </Page>
  );
}
