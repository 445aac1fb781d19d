import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { useScreenSize, useStandingNotice } from "./mount.ts";

export interface FooterKey {
  /** As written on the key: "Enter", "Esc", "Space". */
  readonly key: string;
  readonly does: string;
}

/**
 * A whole screen: title bar, body, footer with the keys that work now. `notice` is what every screen must say, below the title
 * (that a cluster keeps one copy, for example); `right` stands at the right end of the title.
 */
export function Frame({ title, right = "", notice, keys, children }: { title: string; right?: string; notice?: string | undefined; keys: readonly FooterKey[]; children?: ReactNode }): ReactNode {
  const { columns, rows } = useScreenSize();
  const standing = useStandingNotice();
  const width = columns - 1;
  return (
    <Box flexDirection="column" width={width} height={rows}>
      <Bar text={` ${title}`} right={`${right} `} width={width} background="blue" foreground="white" />
      {standing === undefined ? null : <Bar text={` ${standing}`} right="" width={width} background="yellow" foreground="black" />}
      {notice === undefined ? null : <Bar text={` ${notice}`} right="" width={width} background="yellow" foreground="black" />}
      <Box flexDirection="column" flexGrow={1} paddingX={1} paddingY={1} overflow="hidden">
        {children}
      </Box>
      <Bar text={keys.map(({ key, does }) => ` ${key}: ${does} `).join(" ")} right="" width={width} background="white" foreground="black" />
    </Box>
  );
}

function Bar({ text, right, width, background, foreground }: { text: string; right: string; width: number; background: string; foreground: string }): ReactNode {
  const left = text.slice(0, width - right.length).padEnd(width - right.length);
  return (
    <Box flexShrink={0} height={1}>
      <Text color={foreground} backgroundColor={background} bold={background === "blue"} wrap="truncate">
        {`${left}${right}`.slice(0, width)}
      </Text>
    </Box>
  );
}
