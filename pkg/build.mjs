// pkg/src -> pkg/dist: small modules, minified; what stands in dist/wasm comes from wasm-bindgen and stays.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));

await build({
  absWorkingDir: folder,
  entryPoints: ["src/index.ts", "src/pipeline.ts", "src/worker.ts", "src/thread.ts"],
  outdir: "dist",
  bundle: true,
  splitting: false,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  // The pipeline is an ordinary user of the package, and the engine's module stands beside the worker.
  external: ["./index.js", "./wasm/*"],
});
