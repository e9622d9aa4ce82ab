// Oriel and its peers in headless browsers, on one model: node run.mjs OPTIONS
//
// OPTIONS is JSON: `{ model, onnx, engines, precision, prefill, decode, newTokens, fewTokens, runs, results, resume }`. Each
// engine has a page of its own, one after another. What came out is written to the file `results` after each engine,
// so that a run that was broken off can be gone on with, and at the end printed.

import { readFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { launch } from "../page/browser.mjs";
import { launchFirefox } from "../page/firefox.mjs";
import { mostMemory } from "./memory.mjs";
import { serve } from "./server.mjs";

const webgpu = { module: "oriel", device: "webgpu" };
const cpu = (threads) => ({ module: "oriel", device: "cpu", threads });
const wllama = (threads) => ({ module: "wllama", threads, against: `oriel-cpu-${threads}` });
const transformers = { module: "transformers", device: "wasm", threads: 2, against: "oriel-cpu-2", page: "?ort=wasm" };
const inFirefox = ({ against, ...engine }) => ({
  ...engine,
  browser: "firefox",
  ...(against && { against: `${against}-firefox` }),
});

/** Engines by name: the module that opens them, what it is given besides the sizes, which of ours they stand beside. */
const ENGINES = {
  oriel: webgpu,
  "transformers.js": { module: "transformers", device: "webgpu", dtype: "q4", few: true, against: "oriel" },
  "oriel-cpu-1": cpu(1),
  "oriel-cpu-2": cpu(2),
  "wllama-1": wllama(1),
  "wllama-2": wllama(2),
  "transformers-q8": { ...transformers, dtype: "q8" },
  "transformers-fp32": { ...transformers, dtype: "fp32" },
  "oriel-cpu-1-firefox": inFirefox(cpu(1)),
  "oriel-cpu-2-firefox": inFirefox(cpu(2)),
  "wllama-1-firefox": inFirefox(wllama(1)),
  "wllama-2-firefox": inFirefox(wllama(2)),
};

const options = JSON.parse(process.argv[2]);
const { onnx, engines, results, resume, ...asked } = options;
const { model, fewTokens, ...sizes } = asked;
const reports = resume ? await former() : {};

const server = await serve({ models: dirname(model), onnx });
try {
  for (const name of engines.filter((name) => !(name in reports))) {
    reports[name] = await measured(name);
    await writeFile(`${results}.part`, JSON.stringify({ asked, reports }));
    await rename(`${results}.part`, results);
  }
} finally {
  server.close();
}
console.log(JSON.stringify(Object.fromEntries(engines.map((name) => [name, reports[name]]))));

/** What an earlier run measured, if it was asked the same. */
async function former() {
  const text = await readFile(results, "utf8").catch(() => undefined);
  const earlier = text && JSON.parse(text);
  return JSON.stringify(earlier?.asked) === JSON.stringify(asked) ? earlier.reports : {};
}

/** Opens a browser and a page, the engine in it, and measures. */
async function measured(name) {
  const { few, against, browser: kind, page: query = "", ...engine } = ENGINES[name];
  const tell = (text) => console.error(`${name}: ${text}`);
  const browser = await (kind === "firefox" ? launchFirefox() : launch());
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    await page.goto(server.address + query);
    await page.exposeFunction("tell", tell);
    tell("loading");
    const context = Math.max(...sizes.prefill, ...sizes.decode) + sizes.newTokens;
    const given = { ...sizes, ...engine, context, model: `/models/${encodeURIComponent(basename(model))}` };
    if (few) given.newTokens = fewTokens;
    const report = await page.evaluate(inPage, given);
    return { ...report, process_bytes_peak: await mostMemory(), ...(against && { against }) };
  } finally {
    await browser.close();
  }
}

async function inPage({ module, ...given }) {
  const [{ open }, { measure, warmUp }] = await Promise.all([import(`/page/${module}.js`), import("/page/measure.js")]);
  const begun = performance.now();
  const model = await open(given);
  const load_ms = performance.now() - begun;
  let load_to_token_ms;
  await warmUp(model, () => (load_to_token_ms ??= performance.now() - begun));
  const rows = await measure(model, given, globalThis.tell);
  await model.close();
  const { adapter, memory_bytes } = model;
  return { adapter, load_ms, load_to_token_ms, memory_bytes, runs: given.runs, new_tokens: given.newTokens, ...rows };
}
