// From the page's folder to what a visitor downloads: each file after brotli, their sum, and whether that fits. The
// modules for the processor stand apart: one of them is fetched where there is no GPU, none where there is one. So does
// what a chat works without: the page that measures, what shows answers as Markdown, fetched with the first of them, the
// list of conversations, fetched once the page is of use, the gallery, the package's adapters and its one file.
// node size.mjs FOLDER BUDGET_BYTES
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const [folder, budget] = [process.argv[2], Number(process.argv[3])];
const brotli = (bytes) =>
  brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  }).length;

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .map((path) => ({ name: relative(folder, path), bytes: readFileSync(path) }))
  .map(({ name, bytes }) => ({ name, raw: bytes.length, packed: brotli(bytes) }))
  .sort((a, b) => b.packed - a.packed);

const row = (name, raw, packed) => `${name.padEnd(40)}${String(raw).padStart(12)}${String(packed).padStart(12)}`;
const ADAPTERS = "openai|ai-sdk|pipeline|react|element|prompt-api";
const PARTS = "(markdown|sidebar|shelf|transcript|gallery|stored)\\.js";
const PANELS = "(privacy|charts|kernels|lines|tokens)\\.(js|css)|panels\\.css|icons.\\w+\\.png";
const APART = {
  "for the processor, at most one of": /oriel_cpu_/,
  "fetched when first used, which a chat works without": new RegExp(`^(bench[-\\w]*\\.\\w+|${PARTS}|${PANELS})$`),
  "adapters of the package, each where it is asked for; the page asks for none": new RegExp(`^oriel.(${ADAPTERS})\\.js$`),
  "all of the package in one file, for pages that can have no other": /^oriel.inline\.js$/,
};
const isApart = ({ name }) => Object.values(APART).some((kind) => kind.test(name));
console.log(row("file", "bytes", "brotli 11"));
const total = table(files.filter((file) => !isApart(file)));
for (const [title, kind] of Object.entries(APART)) {
  console.log(`\n${title}`);
  table(files.filter(({ name }) => kind.test(name)));
}
if (!(total <= budget)) {
  console.error(`the page is ${total} bytes after brotli, over its budget of ${budget}`);
  process.exit(1);
}

/** Prints files and their sums, and returns what they are after brotli. */
function table(some) {
  for (const { name, raw, packed } of some) console.log(row(name, raw, packed));
  const sum = (key) => some.reduce((total, file) => total + file[key], 0);
  console.log(row("all", sum("raw"), sum("packed")));
  return sum("packed");
}
