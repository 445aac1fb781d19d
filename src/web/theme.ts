import { createTheme, Drawer, Modal, type CSSVariablesResolver } from "@mantine/core";

/** The system's own fonts: nothing is loaded for them. */
const FONTS = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif';

export const theme = createTheme({
  primaryColor: "cyan",
  // White on these has the contrast that WCAG AA asks for.
  primaryShade: { light: 9, dark: 9 },
  defaultRadius: "md",
  fontFamily: FONTS,
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontFamily: FONTS, fontWeight: "650" },
  cursorType: "pointer",
  components: {
    Modal: Modal.extend({ styles: { title: { fontWeight: 650 } } }),
    Drawer: Drawer.extend({ styles: { title: { fontWeight: 650 } } }),
  },
});

/** Mantine's grey of secondary text has too little contrast for AA in both schemes. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: { "--mantine-color-dimmed": "#555d66", "--mantine-color-placeholder": "#6b7280", "--mantine-color-body": "#f6f8fa", "--mantine-color-anchor": "#0b6478", "--mantine-color-error": "#c22121" },
  dark: { "--mantine-color-dimmed": "#a9adb4", "--mantine-color-placeholder": "#8f949c", "--mantine-color-body": "#16181c", "--mantine-color-anchor": "#66d9e8", "--mantine-color-error": "#ff8787" },
});
