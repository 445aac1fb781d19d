import { Text, Transform, type TextProps } from "ink";
import type { ReactNode } from "react";

/** A text that is broken at blanks over several lines; Ink alone leaves the blank at which it broke at the beginning of the next line. */
export function Para(props: TextProps): ReactNode {
  return (
    <Transform transform={(line, index) => (index === 0 ? line : line.replace(/^((?:\x1b\[[0-9;]*m)*) (?! )/, "$1"))}>
      <Text {...props} />
    </Transform>
  );
}
