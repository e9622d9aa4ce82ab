// The package's TypeScript modules -> modules that Node can import, so that what is not exported can be tested too.

import { build } from "esbuild";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const folder = fileURLToPath(new URL("../../pkg/src", import.meta.url));

/**
 * Imports the given modules of pkg/src as one, so that they share their classes.
 * @param {string[]} names such as `errors`
 * @param {Record<string, string>} instead modules by name -> the text to take in their place
 */
export async function sources(names, instead = {}) {
  const standIns = {
    name: "stand-ins",
    setup(build) {
      build.onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
        const name = relative(folder, join(resolveDir, path)).replace(/\.[jt]s$/, "");
        return name in instead ? { path: name, namespace: "instead" } : undefined;
      });
      build.onLoad({ filter: /./, namespace: "instead" }, ({ path }) => ({
        contents: instead[path],
        resolveDir: folder,
      }));
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: names.map((name) => `export * from "./${name}.ts";`).join("\n"), resolveDir: folder },
    bundle: true,
    format: "esm",
    platform: "neutral",
    write: false,
    plugins: [standIns],
  });
  const scratch = await mkdtemp(join(tmpdir(), "oriel-"));
  try {
    const module = join(scratch, "package.mjs");
    await writeFile(module, outputFiles[0].contents);
    return await import(pathToFileURL(module).href);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** What a promise or a function throws, for assertions on its code and message. */
export async function thrown(action) {
  try {
    await (typeof action === "function" ? action() : action);
  } catch (error) {
    return error;
  }
  throw new Error("expected an error, and none was thrown");
}
