import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { bundleWeb } from "../src/web/bundle/bundle.ts";
import type { BunPlugin } from "bun";

/** Ink imports the React developer tools, which it uses in development only and which are not installed. */
const withoutDeveloperTools: BunPlugin = {
  name: "without-developer-tools",
  setup(build) {
    build.onResolve({ filter: /^react-devtools-core$/ }, () => ({ path: "react-devtools-core", namespace: "absent" }));
    build.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: "export default {};", loader: "js" }));
  },
};

/** Writes the web UI's files into `folder`, compressed, and compiles them into the executable; the bundler itself stays outside. */
async function withWebFiles(folder: string): Promise<BunPlugin> {
  await mkdir(folder, { recursive: true });
  const files = await bundleWeb();
  const lines = await Promise.all(
    files.map(async ({ path, type, bytes }, index) => {
      const file = join(folder, `${index}.gz`);
      await Bun.write(file, Bun.gzipSync(bytes, { level: 9 }));
      return { name: `file${index}`, file, entry: `{ path: ${JSON.stringify(path)}, type: ${JSON.stringify(type)}, file: file${index} }` };
    }),
  );
  const contents = [
    ...lines.map(({ name, file }) => `import ${name} from ${JSON.stringify(file)} with { type: "file" };`),
    `export const embedded = [${lines.map(({ entry }) => entry).join(", ")}];`,
  ].join("\n");
  return {
    name: "web-files",
    setup(build) {
      build.onLoad({ filter: /\/src\/role\/web-embedded\.ts$/ }, () => ({ contents, loader: "ts" }));
      build.onLoad({ filter: /\/src\/web\/bundle\/bundle\.ts$/ }, () => ({ contents: "export function bundleWeb() {\n  throw new Error('the executable holds its bundle');\n}", loader: "ts" }));
    },
  };
}

const [outfile] = Bun.argv.slice(2);
if (outfile === undefined) throw new Error("usage: build.ts OUTFILE");
await Bun.build({
  entrypoints: ["src/main.ts"],
  compile: { outfile },
  // React and Ink would bring their development code otherwise.
  define: { "process.env.NODE_ENV": '"production"' },
  minify: { syntax: true },
  sourcemap: "inline",
  plugins: [withoutDeveloperTools, await withWebFiles(join(resolve(dirname(outfile)), "web"))],
});
