import { AreaChart } from "@mantine/charts";
import { Center, Grid, Group, SegmentedControl, Stack, Text, Title, VisuallyHidden } from "@mantine/core";
import { useReducedMotion } from "@mantine/hooks";
import { useState, type ReactNode } from "react";
import type { StatisticsAnswer, StatisticsPoint } from "../../../management/api/monitor.ts";
import { useApi } from "../../api/queries.ts";
import { clock, count, latency, moment, rate } from "../../format.ts";
import { Card } from "../../parts/card.tsx";
import { Shown } from "../../parts/page.tsx";

const SPANS = [
  { value: "5", label: "5 min" },
  { value: "60", label: "1 h" },
  { value: "1440", label: "24 h" },
];
/** Blue and orange are told apart by nearly everybody. */
const READ = { color: "blue.6", label: "Reads" };
const WRITE = { color: "orange.6", label: "Writes" };

export function Performance(): ReactNode {
  const [minutes, setMinutes] = useState("5");
  const statistics = useApi<StatisticsAnswer>(`/statistics?minutes=${minutes}`, ["statistics"]);
  return (
    <Stack gap="sm" component="section" aria-label="Performance">
      <Group justify="space-between">
        <Title order={2} size="h4">
          Performance
        </Title>
        <SegmentedControl size="xs" data={SPANS} value={minutes} onChange={setMinutes} aria-label="Time shown" />
      </Group>
      <Shown query={statistics} rows={3}>
        {({ points, now }) => (
          <Grid>
            <Chart title="Commands per second" points={points} now={now} read="readIops" write="writeIops" show={count} />
            <Chart title="Throughput" points={points} now={now} read="readBytes" write="writeBytes" show={rate} />
            <Chart title="Mean latency" points={points} now={now} read="readLatencyUs" write="writeLatencyUs" show={latency} />
          </Grid>
        )}
      </Shown>
    </Stack>
  );
}

type Field = Exclude<keyof StatisticsPoint, "atMs">;
interface ChartProps {
  readonly title: string;
  readonly points: readonly StatisticsPoint[];
  readonly now: StatisticsPoint | null;
  readonly read: Field;
  readonly write: Field;
  readonly show: (value: number) => string;
}

function Chart({ title, points, now, read, write, show }: ChartProps): ReactNode {
  const still = useReducedMotion();
  const text = (field: Field): string => (now === null || now[field] === null ? "-" : show(now[field]));
  return (
    <Grid.Col span={{ base: 12, md: 4 }}>
      <Card title={title}>
        <Group gap="xl" mb="xs">
          <Now {...READ} value={text(read)} field={read} />
          <Now {...WRITE} value={text(write)} field={write} />
        </Group>
        {points.length < 2 ? (
          <Center h={160}>
            <Text c="dimmed" size="sm">
              Nothing has been measured yet.
            </Text>
          </Center>
        ) : (
          <div aria-hidden>
            <AreaChart
              h={160}
              data={points.map((point) => ({ ...point }))}
              dataKey="atMs"
              series={[
                { name: read, ...READ },
                { name: write, ...WRITE },
              ]}
              withDots={false}
              curveType="linear"
              connectNulls={false}
              strokeWidth={1.5}
              fillOpacity={0.15}
              valueFormatter={show}
              tickLine="none"
              gridAxis="x"
              yAxisProps={{ width: 76, tickCount: 4, tickFormatter: (value: number) => show(value).replace(" ", "\u00a0") }}
              xAxisProps={{ type: "number", scale: "time", domain: ["dataMin", "dataMax"], tickFormatter: (value: number) => clock(value), minTickGap: 40 }}
              tooltipProps={{ labelFormatter: (value) => moment(Number(value)) }}
              areaProps={{ isAnimationActive: false }}
              tooltipAnimationDuration={still ? 0 : 100}
            />
          </div>
        )}
        <VisuallyHidden>
          {title} now: reads {text(read)}, writes {text(write)}.
        </VisuallyHidden>
      </Card>
    </Grid.Col>
  );
}

function Now({ label, color, value, field }: { readonly label: string; readonly color: string; readonly value: string; readonly field: Field }): ReactNode {
  return (
    <div>
      <Group gap={6}>
        <span aria-hidden style={{ width: 10, height: 10, borderRadius: 3, background: `var(--mantine-color-${color.replace(".", "-")})` }} />
        <Text size="xs" c="dimmed">
          {label}
        </Text>
      </Group>
      <Text fz={20} fw={650} className="numbers" data-field={field}>
        {value}
      </Text>
    </div>
  );
}
