// A tab that goes away while kernels are measured: what was being tried is suspected.

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
    const workers = [];
    globalThis.Worker = class extends Worker {
      constructor(...options) {
        super(...options);
        workers.push(this);
      }
    };
    const { load } = await import("/oriel/index.js");
    const begin = () => load("hf:tiny/llama", { hub: `${address}hub`, device: "webgpu" });
    const placed = async () => {
      const store = await caches.open("oriel-tuning");
      const [place] = (await store.keys()).filter(({ url }) => url.includes("/oriel-tuning/"));
      return [store, place];
    };
    const kept = async () => {
      const [store, place] = await placed();
      return place && (await store.match(place)).json();
    };
    const write = async (tuning) => {
      const [store, place] = await placed();
      await store.put(place, new Response(JSON.stringify(tuning)));
    };
    const loaded = async () => {
      const model = await begin();
      const { tokens } = await model.generate("the cat", { maxTokens: 8, ignoreEos: true }).result;
      const { tuning, tuned, notice } = model.info;
      await model.dispose();
      return { tokens, tuning, tuned, notice, kept: await kept() };
    };
    Object.assign(globalThis, { workers, begin, kept, write, loaded });
  }, server.address);
}

test("a kernel in whose first run a tab ended is tried once more, and after a second left out with a notice", async () => {
  await ready();
  const { left_out: tried } = await page.evaluate(async () => {
    begin();
    for (;;) {
      const tuning = await kept();
      if (Object.keys(tuning?.left_out ?? {}).length > 0) {
        // At once: what is next would be tried before the page has gone.
        workers.forEach((worker) => worker.terminate());
        return tuning;
      }
      await new Promise((done) => setTimeout(done, 5));
    }
  });
  await page.reload();
  await ready();
  const ended = await page.evaluate(() => globalThis.kept());
  assert.notDeepEqual(ended.left_out, {}, `${JSON.stringify(tried)} was being tried`);
  const [[kind, ways]] = Object.entries(ended.left_out);
  const [way] = Object.keys(ways);
  assert.deepEqual(ended.left_out, { [kind]: { [way]: "tried" } });

  const innocent = await page.evaluate(() => loaded());
  assert.deepEqual([innocent.notice, innocent.tuned, innocent.kept], [null, true, innocent.tuning]);
  assert.deepEqual(innocent.tuning.left_out, {});

  // As if a second load had ended there.
  const left_out = { [kind]: { [way]: "lost" } };
  await page.evaluate((tuning) => globalThis.write(tuning), { ...ended, left_out });
  const next = await page.evaluate(() => loaded());
  assert.ok(next.notice.endsWith(`did not survive: ${kind} ${way}`), next.notice);
  assert.deepEqual([next.tuned, next.tuning.left_out, next.kept], [true, left_out, next.tuning]);
  assert.ok(next.tuning[kind].usual !== way && !Object.values(next.tuning[kind].shapes).includes(way));

  // All else is measured, and the tuning stands.
  const again = await page.evaluate(() => loaded());
  assert.deepEqual([again.tuned, again.tuning, again.tokens], [false, next.tuning, next.tokens]);
});
