// www -> target/site: the page's files as they are, and each module of www/lib bundled with the libraries that it uses.

import { build } from "esbuild";
import { cp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const from = fileURLToPath(new URL(".", import.meta.url));
const to = fileURLToPath(new URL("../target/site", import.meta.url));
const NOT_SERVED = new Set([join(from, "lib"), join(from, "build.mjs")]);

await rm(to, { recursive: true, force: true });
await cp(from, to, { recursive: true, filter: (path) => !NOT_SERVED.has(path) });
await build({
  entryPoints: (await readdir(join(from, "lib"))).map((name) => join(from, "lib", name)),
  outdir: to,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
});
