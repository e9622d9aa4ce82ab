// pkg/src -> pkg/dist: small modules, minified; what stands in dist/wasm comes from wasm-bindgen and stays.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

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

await build({
  ...options,
  entryPoints: ["src/index.ts", "src/pipeline.ts", "src/worker.ts", "src/thread.ts"],
  format: "esm",
  // The pipeline is an ordinary user of the package, and the engine's module stands beside the worker.
  external: ["./index.js", "./wasm/*"],
});

// A page names it by a plain script element, and it is a service worker as well.
await build({ ...options, entryPoints: ["src/isolation.ts"], format: "iife" });
