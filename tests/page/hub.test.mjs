// Models by their names on a hub: which file is taken, what a token opens and who sees it, and sums that must be right.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "./browser.mjs";
import { serveHub } from "./hub.mjs";

const golden = (path) => readFile(fileURLToPath(new URL(`../golden/${path}`, import.meta.url)));
const bytes = await golden("llama.gguf");
const CUT = 100_003;
const TOKEN = "hf_aSecretThatNobodyElseSees";

const names = ["config.json", "tokenizer.json", "model.safetensors"];
const checkpoint = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await golden(`qwen3/${name}`)])));
const quantised = { "README.md": Buffer.from("#"), "m-Q4_K_M.gguf": bytes, "m-Q8_0.gguf": bytes };
const repositories = {
  "tiny/quants": quantised,
  "tiny/private": { "m.gguf": bytes },
  "tiny/checkpoint": checkpoint,
  "tiny/split": { "m-Q4_0-00001-of-00002.gguf": bytes, "m-Q4_0-00002-of-00002.gguf": bytes },
};
const hub = await serveHub(repositories, { "tiny/private": TOKEN });
after(() => hub.close());
const { open } = await start(after, { device: undefined });
const page = await open("blank.html");
await page.evaluate(async (hub) => {
  const { check, load, storage } = await import("/oriel/index.js");
  const run = async (source, { token, ...options } = {}) => {
    try {
      const given = token === undefined ? {} : { token: options.late ? async () => token : token };
      delete options.late;
      const reports = [];
      const onProgress = (report) => reports.push(report);
      const model = await load(source, { device: "cpu", hub, onProgress, ...given, ...options });
      const { text } = await model.generate("Hello", { maxTokens: 4, temperature: 0, ignoreEos: true }).result;
      await model.dispose();
      return { text, notice: model.info.notice, source: reports.at(-1).source };
    } catch ({ code, message }) {
      return { code, message };
    }
  };
  Object.assign(globalThis, { run, storage, check: (source) => check(source, { device: "cpu", hub }) });
}, hub.address);
const load = (source, options) => page.evaluate(([source, options]) => run(source, options), [source, options]);
const asked = () => hub.asked.splice(0);
const lines = () => asked().map(({ host, line }) => `${host} ${line}`);

test("without a file the quantisation that fits the device, by name the one that is named", async () => {
  const fit = await page.evaluate(() => check("hf:tiny/quants"));
  assert.match(fit.reasons[0], /^of 2 quantisations of tiny\/quants Q8_0 fits the processor best: m-Q8_0\.gguf$/);
  asked();
  const best = await load("hf:tiny/quants");
  assert.ok(best.text, best.message);
  assert.equal(best.notice, fit.reasons[0]);
  assert.deepEqual(lines(), ["hub GET all", "hub GET all", "store GET all"]);
  assert.equal((await page.evaluate(() => check("hf:tiny/quants"))).status, "ready");
  asked();
  const named = await load("hf:tiny/quants:Q4_K_M");
  assert.deepEqual([named.text, named.notice], [best.text, null], named.message);
  assert.match(asked().at(-1).url, /m-Q4_K_M\.gguf/);
  const split = await load("hf:tiny/split:Q4_0");
  assert.deepEqual([split.code, /split in several files/.test(split.message)], ["unsupported", true]);
});

test("a download behind a redirect goes on at its byte, and is what the list says to the bit", async () => {
  await page.evaluate(() => storage.clear());
  hub.order.cut = CUT;
  assert.equal((await load("hf:tiny/quants/m-Q8_0.gguf")).code, "network");
  delete hub.order.cut;
  asked();
  const resumed = await load("hf:tiny/quants/m-Q8_0.gguf");
  assert.ok(resumed.text, resumed.message);
  assert.deepEqual(lines(), ["hub GET all", `hub GET bytes=${CUT}-`, `store GET bytes=${CUT}-`]);
  // What is stored is what is listed: nothing is asked but the list.
  assert.equal((await load("hf:tiny/quants/m-Q8_0.gguf")).source, "cache");
  assert.deepEqual(lines(), ["hub GET all"]);

  await page.evaluate(() => storage.clear());
  const other = Buffer.from(bytes);
  other[other.length - 5] ^= 1;
  hub.order.instead = other;
  const { code, message } = await load("hf:tiny/quants/m-Q8_0.gguf");
  delete hub.order.instead;
  assert.equal(code, "file-damaged", message);
  const sum = (bytes) => createHash("sha256").update(bytes).digest("hex");
  assert.equal(message, `m-Q8_0.gguf: its SHA-256 is ${sum(other)}; the source says ${sum(bytes)}`);
  assert.deepEqual(await page.evaluate(() => storage.list()), []);
});

test("a token opens a private repository; only the hub sees it", async () => {
  const closed = await load("hf:tiny/private/m.gguf");
  assert.deepEqual([closed.code, /the option token opens/.test(closed.message)], ["not-found", true], closed.message);
  const wrong = await load("hf:tiny/private/m.gguf", { token: "hf_wrong" });
  assert.deepEqual([wrong.code, /hf_wrong/.test(wrong.message)], ["not-found", false], wrong.message);
  asked();
  for (const late of [false, true]) {
    await page.evaluate(() => storage.clear());
    const opened = await load("hf:tiny/private/m.gguf", { token: TOKEN, late });
    assert.ok(opened.text, opened.message);
    for (const { host, authorization } of asked()) {
      assert.equal(authorization, host === "hub" ? `Bearer ${TOKEN}` : undefined);
    }
  }
  const stored = await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("oriel-models");
    const texts = [];
    for await (const [name, handle] of folder.entries()) texts.push(name, await (await handle.getFile()).text());
    return texts;
  });
  assert.ok(stored.length >= 4 && stored.every((text) => !text.includes(TOKEN)));
  const odd = await load("hf:tiny/private/m.gguf", { token: "two words" });
  assert.deepEqual([odd.code, odd.message], ["option", "token: expected one word of ASCII characters"]);
  assert.equal((await load("/models/demo.gguf", { token: TOKEN })).code, "option");
});

test("with the hub gone a checkpoint comes from storage, list and all", async () => {
  const before = await load("hf:tiny/checkpoint");
  assert.ok(before.text, before.message);
  hub.order.gone = true;
  const offline = await load("hf:tiny/checkpoint");
  assert.deepEqual([offline.text, offline.source], [before.text, "cache"], offline.message);
  assert.equal((await load("hf:tiny/quants")).code, "network");
  hub.order.gone = false;
});
