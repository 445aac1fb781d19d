import { Group, Paper, Stack, Table, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import type { ReactNode } from "react";

export interface Column<T> {
  readonly label: string;
  readonly cell: (row: T) => ReactNode;
  readonly align?: "left" | "right";
  /** The row's name; the head of its card on a narrow screen. */
  readonly isName?: boolean;
  /** Actions have no label of their own. */
  readonly isActions?: boolean;
}

interface Props<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly rowKey: (row: T) => string;
  /** Inside a card, which has a border already. */
  readonly bare?: boolean;
}

/** Narrower than this a table is a stack of cards. */
const NARROW = "(max-width: 48em)";

export function DataTable<T>(props: Props<T>): ReactNode {
  return useMediaQuery(NARROW, window.matchMedia(NARROW).matches, { getInitialValueInEffect: false }) ? <Cards {...props} /> : <Wide {...props} />;
}

function Wide<T>({ label, columns, rows, rowKey, bare = false }: Props<T>): ReactNode {
  return (
    <Paper withBorder={!bare} bg="var(--mantine-color-default)" style={{ overflow: "hidden" }}>
      <Table.ScrollContainer minWidth={560} type="native">
        <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover aria-label={label}>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => (
                <Table.Th key={column.label} ta={column.align ?? "left"} scope="col">
                  {column.isActions === true ? null : column.label}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={rowKey(row)} data-row={rowKey(row)}>
                {columns.map((column) => (
                  <Table.Td key={column.label} ta={column.align ?? "left"} className="numbers">
                    {column.cell(row)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

function Cards<T>({ label, columns, rows, rowKey }: Props<T>): ReactNode {
  const name = columns.find(({ isName }) => isName === true) ?? columns[0];
  const actions = columns.find(({ isActions }) => isActions === true);
  const rest = columns.filter((column) => column !== name && column !== actions);
  return (
    <Stack gap="sm" component="ul" aria-label={label} p={0} m={0} style={{ listStyle: "none" }}>
      {rows.map((row) => (
        <Paper key={rowKey(row)} component="li" withBorder p="sm" bg="var(--mantine-color-default)" data-row={rowKey(row)}>
          <Group justify="space-between" wrap="nowrap" gap="xs" mb={rest.length > 0 ? 6 : 0}>
            <div style={{ minWidth: 0, fontWeight: 600 }}>{name?.cell(row)}</div>
            {actions?.cell(row)}
          </Group>
          <Stack gap={4}>
            {rest.map((column) => (
              <Group key={column.label} justify="space-between" wrap="nowrap" align="flex-start" gap="md">
                <Text size="sm" c="dimmed" style={{ flexShrink: 0 }}>
                  {column.label}
                </Text>
                <Text size="sm" component="div" ta="right" className="numbers" style={{ minWidth: 0, overflowWrap: "anywhere" }}>
                  {column.cell(row)}
                </Text>
              </Group>
            ))}
          </Stack>
        </Paper>
      ))}
    </Stack>
  );
}
