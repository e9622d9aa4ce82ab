// www -> target/site: the page's files as they are, and each module of www/lib bundled with the libraries that it uses. The
// service worker is told last: which files there are, the package's among them, and a name for just these.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { cp, readFile, readdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const from = fileURLToPath(new URL(".", import.meta.url));
const to = fileURLToPath(new URL("../target/site", import.meta.url));
/** Its own build has been before; it is copied to `oriel/` afterwards. */
const package_ = fileURLToPath(new URL("../pkg/dist", import.meta.url));
/** What the page asks for of it: no adapter, and nothing that only developers read. */
const ASKED_FOR = /^oriel\/((index|worker|thread)\.js|wasm\/[^/]+\.(js|wasm))$/;
const NOT_SERVED = new Set([join(from, "lib"), join(from, "build.mjs")]);
const SERVICE_WORKER = "offline.js";

const bundled = { outdir: to, bundle: true, format: "esm", target: "es2022", minify: true };
const modules = await readdir(join(from, "lib"));

await rm(to, { recursive: true, force: true });
await cp(from, to, { recursive: true, filter: (path) => !NOT_SERVED.has(path) });
await build({
  ...bundled,
  entryPoints: modules.filter((name) => name !== SERVICE_WORKER).map((name) => join(from, "lib", name)),
});

const ofPackage = (await filesOf(package_, "oriel/")).filter(({ name }) => ASKED_FOR.test(name));
const files = [...(await filesOf(to, "")), ...ofPackage];
const hash = createHash("sha256");
for (const { name, path } of files) hash.update(name).update(await readFile(path));
// What a page is asked for by is its folder's address.
const names = files.map(({ name }) => (name === "index.html" ? "./" : name));
await build({
  ...bundled,
  entryPoints: [join(from, "lib", SERVICE_WORKER)],
  define: { FILES: JSON.stringify(names), BUILD: JSON.stringify(hash.digest("hex").slice(0, 16)) },
});

/** The files of a folder, by their names on the page, in a fixed order. */
async function filesOf(folder, prefix) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return paths.sort().map((path) => ({ name: prefix + relative(folder, path).replaceAll("\\", "/"), path }));
}
