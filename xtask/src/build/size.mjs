// From the page's folder to what a visitor downloads: each file after brotli, their sum, and whether that fits.
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

const row = (name, raw, packed) => `${name.padEnd(32)}${String(raw).padStart(12)}${String(packed).padStart(12)}`;
const sum = (key) => files.reduce((total, file) => total + file[key], 0);
const total = sum("packed");
console.log(row("file", "bytes", "brotli 11"));
for (const { name, raw, packed } of files) console.log(row(name, raw, packed));
console.log(row("all", sum("raw"), total));
if (!(total <= budget)) {
  console.error(`the page is ${total} bytes after brotli, over its budget of ${budget}`);
  process.exit(1);
}
