import type { BunPlugin } from "bun";

/** Ink imports the React developer tools, which it uses in development only and which are not installed. */
const withoutDeveloperTools: BunPlugin = {
  name: "without-developer-tools",
  setup(build) {
    build.onResolve({ filter: /^react-devtools-core$/ }, () => ({ path: "react-devtools-core", namespace: "absent" }));
    build.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: "export default {};", loader: "js" }));
  },
};

const [outfile] = Bun.argv.slice(2);
if (outfile === undefined) throw new Error("usage: build.ts OUTFILE");
await Bun.build({
  entrypoints: ["src/main.ts"],
  compile: { outfile },
  // React and Ink would bring their development code otherwise.
  define: { "process.env.NODE_ENV": '"production"' },
  minify: { syntax: true },
  sourcemap: "inline",
  plugins: [withoutDeveloperTools],
});
