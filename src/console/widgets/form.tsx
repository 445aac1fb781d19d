import { Box, Text } from "ink";
import { useLayoutEffect, useState, type ReactNode } from "react";
import { useKeys } from "./mount.ts";
import type { Key } from "./keys.ts";
import { editText, TextLine } from "./text-line.tsx";
import { Para } from "./para.tsx";

interface Common<Id extends string> {
  readonly id: Id;
  readonly label: string;
  /** Shown below the form while the field has the cursor. */
  readonly hint?: string | undefined;
}
export type FormField<Id extends string> =
  | (Common<Id> & { readonly kind: "text"; readonly value: string; readonly secret?: boolean; readonly width?: number; readonly lengthMax?: number })
  | (Common<Id> & { readonly kind: "choice"; readonly value: string; readonly options: readonly { readonly id: string; readonly label: string }[] })
  | (Common<Id> & { readonly kind: "toggle"; readonly value: boolean });
export interface FormProblem<Id extends string> {
  /** The field to go to, if it is about one. */
  readonly field?: Id | undefined;
  readonly sentence: string;
}

/**
 * Fields one below the other. The caller owns the values, so going back loses nothing. Enter goes to the next field and, on the
 * last, submits; Tab, up and down move; left, right and Space change a choice. A new `problem` moves the cursor to its field.
 */
export function Form<Id extends string>(props: {
  fields: readonly FormField<Id>[];
  onChange(id: Id, value: string): void;
  onToggle?(id: Id, value: boolean): void;
  onSubmit(): void;
  onBack?(): void;
  problem?: FormProblem<Id> | null;
  active?: boolean;
}): ReactNode {
  const { fields, problem, active = true } = props;
  const [focus, setFocus] = useState(0);
  const [cursor, setCursor] = useState<number | null>(null);
  const at = Math.min(focus, fields.length - 1);
  const field = fields[at];
  const move = (to: number): void => {
    setFocus(Math.max(0, Math.min(fields.length - 1, to)));
    setCursor(null);
  };
  useLayoutEffect(() => {
    const wanted = fields.findIndex(({ id }) => id === problem?.field);
    if (wanted >= 0) move(wanted);
    // A problem is told once; the fields may change under it.
  }, [problem]);

  useKeys((key) => {
    if (key.name === "enter") {
      if (at >= fields.length - 1) props.onSubmit();
      else move(at + 1);
    } else if (key.name === "tab" || key.name === "down") move(key.name === "tab" && at === fields.length - 1 ? 0 : at + 1);
    else if (key.name === "back-tab" || key.name === "up") move(at - 1);
    else if (key.name === "escape") props.onBack?.();
    else if (field === undefined) return false;
    else if (field.kind === "text") {
      const edited = editText({ value: field.value, cursor: cursor ?? field.value.length }, key, field.lengthMax);
      if (edited === null) return false;
      setCursor(edited.cursor);
      if (edited.value !== field.value) props.onChange(field.id, edited.value);
    } else if (field.kind === "toggle") {
      if (key.text !== " " && key.name !== "left" && key.name !== "right") return false;
      props.onToggle?.(field.id, !field.value);
    } else {
      const next = nextOption(field.options, field.value, key);
      if (next === null) return false;
      props.onChange(field.id, next);
    }
    return true;
  }, active);

  const labelWidth = Math.max(...fields.map(({ label }) => label.length), 0);
  return (
    <Box flexDirection="column">
      {fields.map((one, index) => (
        <FieldLine key={one.id} field={one} labelWidth={labelWidth} focused={active && index === at} cursor={cursor} />
      ))}
      <Box marginTop={1} flexDirection="column">
        {problem != null ? <Para color="red" bold>{problem.sentence}</Para> : null}
        {field?.hint !== undefined ? <Para color="cyan">{field.hint}</Para> : null}
      </Box>
    </Box>
  );
}

function FieldLine<Id extends string>({ field, labelWidth, focused, cursor }: { field: FormField<Id>; labelWidth: number; focused: boolean; cursor: number | null }): ReactNode {
  const label = ` ${focused ? ">" : " "} ${field.label.padEnd(labelWidth)}  `;
  return (
    <Box>
      <Box flexShrink={0}><Text bold={focused}>{label}</Text></Box>
      {field.kind === "text" ? (
        <TextLine value={field.value} cursor={focused ? (cursor ?? field.value.length) : null} secret={field.secret === true} width={field.width ?? 40} />
      ) : field.kind === "toggle" ? (
        <Text inverse={focused}>{field.value ? "[x]" : "[ ]"}</Text>
      ) : (
        <Text wrap="truncate">
          {field.options.map(({ id, label: name }, index) => (
            <Text key={id}>
              {index === 0 ? "" : "  "}
              <Text inverse={focused && id === field.value} bold={id === field.value}>{id === field.value ? `(*) ${name}` : `( ) ${name}`}</Text>
            </Text>
          ))}
        </Text>
      )}
    </Box>
  );
}

function nextOption(options: readonly { readonly id: string }[], value: string, key: Key): string | null {
  const step = key.name === "left" ? -1 : key.name === "right" || key.text === " " ? 1 : 0;
  if (step === 0 || options.length === 0) return null;
  const at = options.findIndex(({ id }) => id === value);
  return options[(at + step + options.length) % options.length]?.id ?? null;
}

