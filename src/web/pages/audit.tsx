import { Badge, Text, TextInput } from "@mantine/core";
import { IconHistory, IconSearch } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import type { AuditAnswer } from "../../management/api/cluster.ts";
import { useApi } from "../api/queries.ts";
import { moment } from "../format.ts";
import { DataTable } from "../parts/data-table.tsx";
import { Empty, Page, Shown } from "../parts/page.tsx";

export function AuditPage(): ReactNode {
  const audit = useApi<AuditAnswer>("/audit", ["audit"]);
  const [search, setSearch] = useState("");
  return (
    <Page title="Audit" description="Every change that was asked for, by whom and from where, newest first. Refused ones are here, too.">
      <Shown query={audit}>
        {({ records }) => {
          if (records.length === 0) {
            return (
              <Empty icon={<IconHistory size={48} />} title="Nothing has been changed yet">
                Every change through the web UI, the command or the API is written down here.
              </Empty>
            );
          }
          const wanted = search.trim().toLowerCase();
          const found = records.filter(({ who, from, what }) => `${who} ${from} ${what}`.toLowerCase().includes(wanted));
          return (
            <>
              <TextInput label="Search" aria-label="Search the audit" placeholder="User, address or what" leftSection={<IconSearch size={16} />} value={search} onChange={(event) => setSearch(event.currentTarget.value)} maw={320} />
              <DataTable
                label="Audit"
                rows={found}
                rowKey={({ number, server }) => `${server} ${number}`}
                columns={[
                  { label: "What", isName: true, cell: ({ what }) => <Text size="sm" style={{ overflowWrap: "anywhere" }}>{what}</Text> },
                  { label: "When", cell: ({ atMs }) => moment(atMs) },
                  { label: "Who", cell: ({ who }) => who },
                  { label: "From", cell: ({ from }) => from },
                  { label: "Server", cell: ({ server }) => server },
                  {
                    label: "Result",
                    cell: ({ result }) => (
                      <Badge variant="light" color={result === "done" ? "teal" : "orange"} tt="none">
                        {result}
                      </Badge>
                    ),
                  },
                ]}
              />
            </>
          );
        }}
      </Shown>
    </Page>
  );
}
