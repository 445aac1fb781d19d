import type { FormField } from "../widgets/form.tsx";
import type { NetworkDraft, NetworkField } from "./draft.ts";

/** The fields that matter for what is chosen so far: no bond for one port, no address with DHCP. */
export function networkFields(draft: NetworkDraft, portsLeft: boolean): FormField<NetworkField>[] {
  const fields: FormField<NetworkField>[] = [];
  if (draft.macs.length > 1) {
    fields.push({
      kind: "choice", id: "bond", label: "Bond", value: draft.bond,
      options: [{ id: "active-backup", label: "active-backup" }, { id: "lacp", label: "LACP" }],
      hint: "active-backup works with every switch. LACP uses all ports at once and has to be configured on the switch, too.",
    });
  }
  fields.push({
    kind: "choice", id: "kind", label: "Address", value: draft.kind,
    options: [{ id: "static", label: "static" }, { id: "dhcp", label: "DHCP" }],
    hint: "Left and right choose. The address of a server must never change: with DHCP reserve it in the DHCP server.",
  });
  if (draft.kind === "static") {
    fields.push(
      { kind: "text", id: "address", label: "IPv4 address", value: draft.address, width: 18, lengthMax: 15, hint: "As in 192.168.10.21. It is asked first whether another machine has it." },
      { kind: "text", id: "prefix", label: "Prefix", value: draft.prefix, width: 18, lengthMax: 15, hint: "24 is the same as the mask 255.255.255.0." },
      { kind: "text", id: "gateway", label: "Gateway", value: draft.gateway, width: 18, lengthMax: 15, hint: "The router's address; empty when there is none." },
      { kind: "text", id: "dns", label: "DNS servers", value: draft.dns, lengthMax: 60, hint: "Up to three addresses with blanks between them; may be empty. Needed for mail and time servers given by name." },
    );
  }
  fields.push(
    { kind: "text", id: "vlan", label: "VLAN", value: draft.vlan, width: 6, lengthMax: 4, hint: "1 to 4094, when the switch's port is tagged; usually empty." },
    { kind: "text", id: "mtu", label: "MTU", value: draft.mtu, width: 6, lengthMax: 4, hint: "Empty is 1500. 9000 needs switches, servers and hosts that all have it." },
  );
  if (portsLeft) {
    fields.push({
      kind: "choice", id: "otherPorts", label: "Other ports", value: draft.otherPorts,
      options: [{ id: "off", label: "without an address" }, { id: "dhcp", label: "DHCP" }],
      hint: "Whether the ports that were not chosen ask for addresses of their own.",
    });
  }
  return fields;
}
