import { Box, Text } from "ink";
import { useState, type ReactNode } from "react";
import { Form } from "./form.tsx";
import { Menu } from "./menu.tsx";

/**
 * For what cannot be undone: `children` say what it costs, and only typing `word` goes on. The case of letters does not count.
 */
export function ConfirmTyped({ word, children, onConfirm, onBack }: { word: string; children?: ReactNode; onConfirm(): void; onBack(): void }): ReactNode {
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState<{ sentence: string } | null>(null);
  return (
    <Box flexDirection="column">
      <Box flexDirection="column" marginBottom={1}>{children}</Box>
      <Text>
        {"To go on, type "}
        <Text bold color="yellow">{word}</Text>
        {" and press Enter. Esc goes back; nothing is changed then."}
      </Text>
      <Box marginTop={1}>
        <Form
          fields={[{ kind: "text", id: "typed", label: "Confirmation", value: typed, width: Math.max(word.length + 2, 20) }]}
          onChange={(_, value) => setTyped(value)}
          onSubmit={() => (typed.trim().toLowerCase() === word.toLowerCase() ? onConfirm() : setProblem({ sentence: `That is not ${word}: nothing was changed.` }))}
          onBack={onBack}
          problem={problem}
        />
      </Box>
    </Box>
  );
}

/** For what costs something and can be undone: the answer that changes nothing is chosen first. */
export function ConfirmYes({ yes, no, children, onConfirm, onBack }: { yes: string; no: string; children?: ReactNode; onConfirm(): void; onBack(): void }): ReactNode {
  return (
    <Box flexDirection="column">
      <Box flexDirection="column" marginBottom={1}>{children}</Box>
      <Menu
        items={[{ id: "no", label: no }, { id: "yes", label: yes }]}
        onSelect={(id) => (id === "yes" ? onConfirm() : onBack())}
        onBack={onBack}
      />
    </Box>
  );
}
