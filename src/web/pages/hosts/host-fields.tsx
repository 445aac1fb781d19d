import { PasswordInput, Stack, Switch, Textarea, TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import type { HostCreateBody } from "../../../management/api.ts";

export interface HostDraft {
  readonly name: string;
  /** One initiator name a line. */
  readonly iqns: string;
  readonly chap: { readonly user: string; readonly secret: string } | null;
}
export const NO_HOST: HostDraft = { name: "", iqns: "", chap: null };

export function iqnsOf(text: string): string[] {
  return text.split(/[\s,;]+/).filter((word) => word !== "");
}

export function hostBody({ name, iqns, chap }: HostDraft): HostCreateBody {
  return { name, iqns: iqnsOf(iqns), ...(chap === null ? {} : { chap }) };
}

interface Props {
  readonly draft: HostDraft;
  readonly onChange: (draft: HostDraft) => void;
  /** Of a host that is there already the name stays. */
  readonly isNew?: boolean;
  /** It has a secret, which is kept when none is typed. */
  readonly secretIsSet?: boolean;
}

export function HostFields({ draft, onChange, isNew = true, secretIsSet = false }: Props): ReactNode {
  const { chap } = draft;
  return (
    <Stack>
      {isNew && (
        <TextInput label="Host name" description="As you call it; letters, digits, dots, dashes and underscores" required data-autofocus value={draft.name} maxLength={63} pattern="[A-Za-z0-9][A-Za-z0-9._\-]{0,62}" onChange={(event) => onChange({ ...draft, name: event.currentTarget.value })} />
      )}
      <Textarea
        label="Initiator names"
        description="One a line, such as iqn.1998-01.com.vmware:esx1-4c2f. Linux has it in /etc/iscsi/initiatorname.iscsi, VMware and Windows in the settings of the iSCSI initiator."
        required
        autosize
        minRows={2}
        value={draft.iqns}
        onChange={(event) => onChange({ ...draft, iqns: event.currentTarget.value })}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
        spellCheck={false}
      />
      <Switch label="Ask for a CHAP secret" description="Without it whoever claims one of these names is let in." checked={chap !== null} onChange={(event) => onChange({ ...draft, chap: event.currentTarget.checked ? { user: "", secret: "" } : null })} />
      {chap !== null && (
        <>
          <TextInput label="CHAP user" required autoComplete="off" value={chap.user} onChange={(event) => onChange({ ...draft, chap: { ...chap, user: event.currentTarget.value } })} />
          <PasswordInput
            label="CHAP secret"
            description={secretIsSet ? "Empty: it stays as it is. 12 to 16 characters suit every initiator." : "12 to 16 characters suit every initiator. It is never shown again."}
            required={!secretIsSet}
            autoComplete="new-password"
            minLength={12}
            value={chap.secret}
            onChange={(event) => onChange({ ...draft, chap: { ...chap, secret: event.currentTarget.value } })}
          />
        </>
      )}
    </Stack>
  );
}
