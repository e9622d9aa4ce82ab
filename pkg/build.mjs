// pkg/src -> pkg/dist: small modules, minified; what stands in dist/wasm comes from wasm-bindgen and stays.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { buildInline } from "./inline.mjs";

const folder = fileURLToPath(new URL(".", import.meta.url));

const options = {
  absWorkingDir: folder,
  outdir: "dist",
  bundle: true,
  splitting: false,
  target: "es2022",
  minify: true,
  legalComments: "none",
};

const ADAPTERS = ["pipeline", "openai", "ai-sdk", "react", "element", "prompt-api"];

/** Adapters are ordinary users of the package, and the package asks for one only where it is called: each stands alone. */
const apart = {
  name: "apart",
  setup(build) {
    const stays = (path) => ({ path, external: true });
    build.onResolve({ filter: /^\.\.?\/index\.js$/ }, () => stays("./index.js"));
    build.onResolve({ filter: /^\.\.\/openai\.js$/ }, () => stays("./openai.js"));
  },
};

await build({
  ...options,
  entryPoints: ["index", ...ADAPTERS, "worker", "thread"].map((name) => `src/${name}.ts`),
  format: "esm",
  plugins: [apart],
  // The engine's module stands beside the worker.
  external: ["./wasm/*", "@ai-sdk/provider", "react"],
});

// A page names it by a plain script element, and it is a service worker as well.
await build({ ...options, entryPoints: ["src/isolation.ts"], format: "iife" });

await buildInline(options);
