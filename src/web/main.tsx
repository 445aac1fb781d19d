import "@mantine/core/styles.css";
import "@mantine/charts/styles.css";
import { MantineProvider, Button } from "@mantine/core";
import { AreaChart } from "@mantine/charts";
import { IconServer } from "@tabler/icons-react";
import { createRoot } from "react-dom/client";
const root = document.getElementById("root");
if (root) createRoot(root).render(<MantineProvider><Button leftSection={<IconServer/>}>x</Button><AreaChart h={100} data={[]} dataKey="x" series={[]} /></MantineProvider>);
