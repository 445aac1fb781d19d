import "@mantine/core/styles.css";
import "@mantine/charts/styles.css";
import "@mantine/notifications/styles.css";
import "./web.css";
import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./api/queries.ts";
import { App } from "./app.tsx";
import { ErrorBoundary } from "./parts/error-boundary.tsx";
import { cssVariables, theme } from "./theme.ts";

/** What the Content-Security-Policy lets style elements carry. */
const nonce = document.querySelector('meta[name="style-nonce"]')?.getAttribute("content") ?? "";
// Where the package that keeps the page from scrolling behind a dialog looks for it.
Object.assign(globalThis, { __webpack_nonce__: nonce });
const colorSchemes = localStorageColorSchemeManager({ key: "virtustor-color-scheme" });

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no root");
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" colorSchemeManager={colorSchemes} getStyleNonce={() => nonce} deduplicateInlineStyles>
      <ErrorBoundary>
        <QueryClientProvider client={queryClient}>
          <Notifications position="top-right" limit={3} />
          <App />
        </QueryClientProvider>
      </ErrorBoundary>
    </MantineProvider>
  </StrictMode>,
);
