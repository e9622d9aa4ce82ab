// Stored models in a real browser: resumed at the byte, verified, mended, fetched once, and refused where there is no room.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { start } from "./browser.mjs";
import { FAULTS } from "./losses.mjs";
import { CUT, bytes, preparePage, serveModels } from "./unsteady.mjs";

const { browser, server } = await start(after, { workerPrelude: FAULTS });
const { order, asked, address } = await serveModels(after);

/** A page of a visitor; those of one visitor share storage. */
async function visit(context) {
  const page = await context.newPage();
  await page.goto(`${server.address}blank.html`);
  await page.evaluate(preparePage);
  return page;
}
const load = (page, name, options) => page.evaluate(([url, options]) => run(url, options), [address(name), options]);
const context = await browser.newContext();
const page = await visit(context);

test("a download that breaks goes on at the byte where it stood, and then needs no network", async () => {
  order.cut = true;
  const broken = await load(page, "m.gguf");
  assert.equal(broken.code, "network", broken.message);
  order.cut = false;
  asked();
  const after = await visit(context);
  const [partial] = await after.evaluate(() => storage.list());
  assert.deepEqual([partial.bytes, partial.whole], [CUT, false]);
  const resumed = await load(after, "m.gguf");
  assert.ok(resumed.text, resumed.message);
  assert.ok(resumed.rate > 0);
  assert.deepEqual(asked(), [`GET bytes=${CUT}-`]);

  const stored = await load(after, "m.gguf");
  assert.deepEqual([stored.text, stored.source, stored.notice], [resumed.text, "cache", null]);
  assert.deepEqual(asked(), ["HEAD all"]);
  const plain = await load(after, "m.gguf", { storage: "none" });
  assert.deepEqual([plain.text, plain.source, asked()], [resumed.text, "network", ["GET all"]]);
});

test("a flipped byte is found, fetched again and said; the copy is sound afterwards", async () => {
  await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("oriel-models");
    const [{ key }] = await storage.list();
    const file = await folder.getFileHandle(`${key}.bin`);
    const writable = await file.createWritable({ keepExistingData: true });
    const byte = new Uint8Array(await (await file.getFile()).slice(150_000, 150_001).arrayBuffer());
    await writable.write({ type: "write", position: 150_000, data: Uint8Array.of(byte[0] ^ 1) });
    await writable.close();
  });
  const mended = await load(page, "m.gguf");
  assert.match(mended.notice, /m\.gguf: \d+ stored bytes from 0 on were damaged and have been fetched again/);
  assert.deepEqual(mended.verified, [0, bytes.length]);
  assert.deepEqual(asked(), ["HEAD all", `GET bytes=0-${bytes.length - 1}`]);
  assert.equal((await load(page, "m.gguf")).notice, null);
  asked();
});

test("a file that has changed on its server is fetched anew", async () => {
  order.etag = '"two"';
  assert.ok((await load(page, "m.gguf")).text);
  assert.deepEqual(asked(), ["HEAD all", "GET all"]);
});

test("two tabs that ask at once: one download", async () => {
  const other = await visit(context);
  const both = await Promise.all([load(page, "two.gguf"), load(other, "two.gguf")]);
  assert.equal(both[0].text, both[1].text);
  assert.deepEqual(asked().filter((line) => line.startsWith("GET")), ["GET all"]);
});

test("an abort in mid-download keeps what has come", async () => {
  order.cut = "stands still";
  const aborted = await page.evaluate(async (url) => {
    const given = new AbortController();
    const onProgress = ({ loaded }) => loaded > 0 && setTimeout(() => given.abort(), 300);
    return run(url, { signal: given.signal, onProgress });
  }, address("aborted.gguf"));
  assert.equal(aborted.code, "aborted", JSON.stringify(aborted));
  order.cut = false;
  asked();
  assert.ok((await load(page, "aborted.gguf")).text);
  assert.deepEqual(asked(), [`GET bytes=${CUT}-`]);
});

test("with the server gone a file, a checkpoint's folder and a worker's successor come from storage", async () => {
  const before = await load(page, "folder/");
  assert.ok(before.text, before.message);
  order.gone = true;
  const folder = await load(page, "folder/", { heal: true });
  assert.deepEqual([folder.text, folder.source], [before.text, "cache"], folder.message);
  assert.deepEqual([folder.again, folder.events.at(0), folder.events.at(-1)], [before.text, "lost", "healed"]);
  assert.equal((await load(page, "m.gguf")).source, "cache");
  const absent = await load(page, "never.gguf");
  assert.equal(absent.code, "network", absent.message);
  order.gone = false;
});

test("no room: an error that says how much is missing, and the old models are still there", async () => {
  const session = await context.newCDPSession(page);
  const { originBytes } = await page.evaluate(() => storage.usage());
  const origin = new URL(server.address).origin;
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: originBytes + 1000 });
  const before = await page.evaluate(() => storage.list());
  const full = await load(page, "three.gguf");
  assert.equal(full.code, "quota", JSON.stringify(full));
  assert.match(full.message, /three\.gguf can't be stored: \d+ bytes of room are missing/);
  assert.equal((await load(page, "m.gguf")).source, "cache");
  assert.equal((await page.evaluate(() => storage.list())).length, before.length);
  await session.send("Storage.overrideQuotaForOrigin", { origin });
});

test("what is stored is listed, measured and deleted, without an engine", async () => {
  const { before, one, none } = await page.evaluate(async () => {
    const before = await storage.list();
    await storage.delete(before[0]);
    const one = await storage.usage();
    await storage.clear();
    return { before, one, none: await storage.list() };
  });
  const names = before.map(({ url }) => url.slice(url.lastIndexOf("/") + 1));
  for (const name of ["m.gguf", "two.gguf", "config.json", "model.safetensors"]) assert.ok(names.includes(name), `${names}`);
  assert.ok(!names.includes("generation_config.json"), "what is absent is no file");
  assert.ok(before.every(({ whole, bytes, totalBytes }) => whole && bytes === totalBytes));
  assert.equal(one.bytes, before.slice(1).reduce((sum, file) => sum + file.bytes, 0));
  assert.deepEqual([one.persisted, none], [false, []]);
});
