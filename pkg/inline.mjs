// pkg/src and pkg/dist/wasm -> dist/inline.js, one file: the thread's script is a text in the worker's, with the WebAssembly
// beside it, deflated, in base64; and that one is a text in the page's.

import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";

/**
 * `options`: how esbuild makes the other files of the package. Workers are scripts, as a page from the disk may start no
 * modules.
 */
export async function buildInline(options) {
  const script = async (entry, plugins) => {
    const made = await build({ ...options, format: "iife", entryPoints: [entry], plugins, write: false });
    return made.outputFiles[0].text;
  };
  const thread = await script("src/thread.ts", []);
  const worker = await script("src/worker.ts", [within("./src/inline/worker.ts", options, { thread })]);
  await build({
    ...options,
    format: "esm",
    entryPoints: ["src/inline.ts"],
    plugins: [within("./src/inline/page.ts", options, { worker })],
  });
}

/** Takes a module in the place of `files.ts`, and has what it asks for at hand. */
const within = (instead, { absWorkingDir }, texts) => ({
  name: "within",
  setup(build) {
    build.onResolve({ filter: /^\.\/files\.js$/ }, () => ({ path: join(absWorkingDir, instead) }));
    build.onResolve({ filter: /^\.\/wasm\// }, ({ path }) => ({ path: join(absWorkingDir, "dist", path) }));
    build.onResolve({ filter: /^(text|deflated):/ }, ({ path }) => {
      const [namespace, name] = path.split(":");
      return { path: name, namespace };
    });
    build.onLoad({ filter: /./, namespace: "text" }, ({ path }) => ({ contents: texts[path], loader: "text" }));
    build.onLoad({ filter: /./, namespace: "deflated" }, async ({ path }) => {
      const module = await readFile(join(absWorkingDir, "dist/wasm", path));
      return { contents: deflateRawSync(module, { level: 9 }).toString("base64"), loader: "text" };
    });
  },
});
