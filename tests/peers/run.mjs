// Oriel and its peers in one headless Chromium, on one model: node run.mjs OPTIONS
//
// OPTIONS is JSON: `{ model, onnx, engines, precision, prefill, decode, newTokens, fewTokens, runs, results, resume }`. Each
// engine has a page of its own, one after another. What came out is written to the file `results` after each engine,
// so that a run that was broken off can be gone on with, and at the end printed.

import { readFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { launch } from "../page/browser.mjs";
import { serve } from "./server.mjs";

/** Engines by name: the module that opens them, and what they are given besides the sizes. */
const ENGINES = {
  oriel: { module: "oriel" },
  "wllama-1": { module: "wllama", threads: 1 },
  "wllama-2": { module: "wllama", threads: 2 },
  "transformers.js": { module: "transformers", few: true },
};

const options = JSON.parse(process.argv[2]);
const { onnx, engines, results, resume, ...asked } = options;
const { model, fewTokens, ...sizes } = asked;
const reports = resume ? await former() : {};

const server = await serve({ models: dirname(model), onnx });
const browser = await launch();
try {
  for (const name of engines.filter((name) => !(name in reports))) {
    reports[name] = await measured(name);
    await writeFile(`${results}.part`, JSON.stringify({ asked, reports }));
    await rename(`${results}.part`, results);
  }
} finally {
  await browser.close();
  server.close();
}
console.log(JSON.stringify(Object.fromEntries(engines.map((name) => [name, reports[name]]))));

/** What an earlier run measured, if it was asked the same. */
async function former() {
  const text = await readFile(results, "utf8").catch(() => undefined);
  const earlier = text && JSON.parse(text);
  return JSON.stringify(earlier?.asked) === JSON.stringify(asked) ? earlier.reports : {};
}

/** Opens a page, the engine in it, and measures. */
async function measured(name) {
  const { few, ...engine } = ENGINES[name];
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  const tell = (text) => console.error(`${name}: ${text}`);
  await page.goto(server.address);
  await page.exposeFunction("tell", tell);
  tell("loading");
  const context = Math.max(...sizes.prefill, ...sizes.decode) + sizes.newTokens;
  const given = { ...sizes, ...engine, context, model: `/models/${encodeURIComponent(basename(model))}` };
  if (few) given.newTokens = fewTokens;
  const report = await page.evaluate(inPage, given);
  await page.close();
  return report;
}

async function inPage({ module, ...given }) {
  const [{ open }, { measure }] = await Promise.all([import(`/page/${module}.js`), import("/page/measure.js")]);
  const begun = performance.now();
  const model = await open(given);
  const load_ms = performance.now() - begun;
  const rows = await measure(model, given, globalThis.tell);
  await model.close();
  return { adapter: model.adapter, load_ms, runs: given.runs, new_tokens: given.newTokens, ...rows };
}
