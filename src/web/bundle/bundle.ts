/** One file of the web UI as the browser gets it. `path` begins with a slash. */
export interface BundledFile {
  readonly path: string;
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const TYPES: Readonly<Record<string, string>> = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml", woff2: "font/woff2" };

/**
 * Bundles the web UI for the browser: hashed names, minified, nothing from outside. The build embeds the result in the executable;
 * a server that runs from the sources bundles when the first page is asked for.
 */
export async function bundleWeb(): Promise<BundledFile[]> {
  const built = await Bun.build({
    entrypoints: [`${import.meta.dir}/../main.tsx`],
    target: "browser",
    format: "esm",
    splitting: true,
    minify: true,
    naming: { entry: "assets/[name]-[hash].[ext]", chunk: "assets/[name]-[hash].[ext]", asset: "assets/[name]-[hash].[ext]" },
    publicPath: "/",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const files = await Promise.all(
    built.outputs.map(async (output): Promise<BundledFile & { readonly entry: boolean }> => ({
      path: output.path.replace(/^\.?\/*/, "/"),
      type: TYPES[output.path.split(".").at(-1) ?? ""] ?? "application/octet-stream",
      bytes: new Uint8Array(await output.arrayBuffer()),
      entry: output.kind === "entry-point",
    })),
  );
  const script = files.find(({ entry }) => entry)?.path;
  if (script === undefined) throw new Error("the bundle of the web UI has no entry");
  const styles = files.filter(({ path }) => path.endsWith(".css")).map(({ path }) => path);
  const icon: BundledFile = { path: "/favicon.svg", type: "image/svg+xml", bytes: new TextEncoder().encode(ICON) };
  const page: BundledFile = { path: "/index.html", type: "text/html; charset=utf-8", bytes: new TextEncoder().encode(pageOf(script, styles)) };
  return [page, icon, ...files.map(({ path, type, bytes }) => ({ path, type, bytes }))];
}

/** NONCE is replaced for each answer by what the Content-Security-Policy names, so that the page may add style elements of its own. */
function pageOf(script: string, styles: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="style-nonce" content="NONCE">
<title>VirtuStor</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
${styles.map((path) => `<link rel="stylesheet" href="${path}">`).join("\n")}
</head>
<body>
<div id="root"></div>
<noscript>VirtuStor's web UI needs JavaScript. The same is done by the command virtustor and by the API under /api/v1.</noscript>
<script type="module" src="${script}"></script>
</body>
</html>
`;
}

/** Three drives whose data lies twice. */
const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b7285"/><g fill="#fff"><rect x="6" y="7" width="20" height="5" rx="1.5"/><rect x="6" y="14" width="20" height="5" rx="1.5" opacity=".8"/><rect x="6" y="21" width="20" height="5" rx="1.5" opacity=".6"/></g><g fill="#0b7285"><circle cx="22.5" cy="9.5" r="1.2"/><circle cx="22.5" cy="16.5" r="1.2"/><circle cx="22.5" cy="23.5" r="1.2"/></g></svg>`;
