// The reference in docs/api is what the types say today.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import test from "node:test";
import { pages } from "../../docs/api.mjs";

const folder = new URL("../../docs/api/", import.meta.url);
const made = pages();

test("there is a page for each entry point, and no other", async () => {
  assert.deepEqual((await readdir(folder)).sort(), [...made.keys()].sort());
});

for (const [name, text] of made) {
  test(`${name} is as \`node docs/api.mjs\` makes it`, async () => {
    assert.equal(await readFile(new URL(name, folder), "utf8"), text);
  });
}

/** The anchors of a page's headings: of equal ones, all but the first get a number. */
function anchors(text) {
  const words = (text.match(/^##+ .*$/gm) ?? []).map((line) => line.replace(/^#+ /, "").toLowerCase());
  return words.map((word, place) => {
    const before = words.slice(0, place).filter((other) => other === word).length;
    return before > 0 ? `${word}-${before}` : word;
  });
}

test("every link within it leads to a heading", () => {
  for (const [name, text] of made) {
    for (const [, file, hash] of text.matchAll(/`\]\(([\w-]*\.md|)(?:#([\w-]+))?\)/g)) {
      const found = anchors(made.get(file || name) ?? "").includes(hash);
      assert.ok(hash ? found : made.has(file), `${name}: ${file}#${hash ?? ""}`);
    }
  }
});
