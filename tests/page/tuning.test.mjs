// A tab that goes away while kernels are measured: what was being tried is not tried again, and that is said.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "./browser.mjs";

const hub = { "tiny/llama": fileURLToPath(new URL("../golden/llama", import.meta.url)) };
const { server, open } = await start(after, { hub });
const page = await open("blank.html");

/** Readies the page, again after each reload. */
async function ready() {
  await page.evaluate(async (address) => {
    const { load } = await import("/oriel/index.js");
    const begin = () => load("hf:tiny/llama", { hub: `${address}hub`, device: "webgpu" });
    const kept = async () => {
      const store = await caches.open("oriel-tuning");
      const [place] = (await store.keys()).filter(({ url }) => url.includes("/oriel-tuning/"));
      return place && (await store.match(place)).json();
    };
    const loaded = async () => {
      const model = await begin();
      const { tokens } = await model.generate("the cat", { maxTokens: 8, ignoreEos: true }).result;
      const { tuning, tuned, notice } = model.info;
      await model.dispose();
      return { tokens, tuning, tuned, notice, kept: await kept() };
    };
    Object.assign(globalThis, { begin, kept, loaded });
  }, server.address);
}

test("a kernel in whose first run the tab ended is left out of the next load, which says so", async () => {
  await ready();
  const { left_out: lost } = await page.evaluate(async () => {
    begin();
    for (;;) {
      const tuning = await kept();
      if (Object.keys(tuning?.left_out ?? {}).length > 0) return tuning;
      await new Promise((done) => setTimeout(done, 5));
    }
  });
  await page.reload();
  await ready();
  const kept = await page.evaluate(() => globalThis.kept());
  assert.notDeepEqual(kept.left_out, {}, `${JSON.stringify(lost)} was being tried`);
  const [[kind, ways]] = Object.entries(kept.left_out);
  const [way] = Object.keys(ways);
  assert.deepEqual(kept.left_out, { [kind]: { [way]: "lost" } });

  const next = await page.evaluate(() => loaded());
  assert.ok(next.notice.endsWith(`did not survive, or was ended in: ${kind} ${way}`), next.notice);
  assert.deepEqual([next.tuned, next.tuning.left_out, next.kept], [true, kept.left_out, next.tuning]);
  assert.ok(next.tuning[kind].usual !== way && !Object.values(next.tuning[kind].shapes).includes(way));

  // All else is measured, and the tuning stands.
  const again = await page.evaluate(() => loaded());
  assert.deepEqual([again.tuned, again.tuning, again.tokens], [false, next.tuning, next.tokens]);
});
