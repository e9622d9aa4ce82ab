// Without a GPU: the processor answers, whatever its instructions and threads, and what goes wrong there is said.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test, { after } from "node:test";
import { NO_WEBGPU, ask, figures, launch, loadModel, settings, state } from "./browser.mjs";
import { launchFirefox } from "./firefox.mjs";
import { serve } from "./server.mjs";

/** What a model that stands in memory once may take over its weights and cache. */
const MOST_OVER = 1.25;

const browser = await launch(NO_WEBGPU);
after(() => browser.close());

/** A page with nothing on it but `load`, from a server of its own. */
async function blank(options) {
  const server = await serve(options);
  after(() => server.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${server.address}blank.html`);
  await page.evaluate(async () => {
    globalThis.load = (await import("/oriel/index.js")).load;
    globalThis.fault = (promise) => promise.then(String, ({ name, code, message }) => ({ name, code, message }));
    /** What the demo model answers by these options. */
    globalThis.answer = async (options, prompt = "What is the capital of France?") => {
      const model = await load("/models/demo.gguf", options);
      const { text, tokens } = await model.session().send(prompt, { maxTokens: 24 }).result;
      await model.dispose();
      return { text, tokens, info: model.info };
    };
  });
  return page;
}

const isolated = await blank({ isolated: true });
const plain = await blank({ isolated: false });

const PATHS = [
  ["two threads", isolated, { threads: 2 }, "processor, 2 threads", /^relaxed SIMD/],
  ["one thread", isolated, { threads: 1 }, "processor, 1 thread", /^relaxed SIMD/],
  ["a page that is not isolated", plain, {}, "processor, 1 thread", /^relaxed SIMD/],
  ["plain SIMD, two threads", isolated, { instructions: "simd", threads: 2 }, "processor, 2 threads", /^SIMD/],
  ["plain SIMD, one thread", plain, { instructions: "simd" }, "processor, 1 thread", /^SIMD/],
  ["f32 activations", isolated, { activations: "f32" }, "processor, 2 threads", /activations f32$/],
];

test("Paris: a cache of q8 takes little more than half of f16's bytes", async () => {
  const { text, info, halves } = await isolated.evaluate(async () => {
    const packed = await answer({ threads: 2, cache: "q8" });
    const { info } = await answer({ threads: 2 });
    return { ...packed, halves: info };
  });
  assert.match(text, /Paris/);
  assert.deepEqual([info.cache, halves.cache], ["q8", "f16"]);
  // 30 layers, keys and values, 3 heads of 64 values.
  assert.ok(halves.gpuBytes - info.gpuBytes >= 30 * 2 * 3 * 64 * (2 - 36 / 32) * info.context);
});

/** The tokens of each path, by instructions and activations. */
const said = new Map();

for (const [name, page, options, adapter, variants] of PATHS) {
  test(`Paris: ${name}`, async () => {
    const { text, tokens, info } = await page.evaluate((options) => answer(options), options);
    assert.match(text, /Paris/);
    assert.equal(info.device, "cpu");
    assert.match(info.deviceReason, /no graphics adapter/);
    assert.equal(info.adapter.name, adapter);
    assert.match(info.adapter.variants, variants);
    const before = said.get(info.adapter.variants) ?? tokens;
    assert.deepEqual(tokens, before, "the number of threads changes the answer");
    said.set(info.adapter.variants, tokens);
  });
}

test("weights stand in memory once", async () => {
  const { info } = await isolated.evaluate(() => answer({ context: 512 }));
  const weights = Object.values(info.formats).reduce((sum, bytes) => sum + bytes, 0);
  // Keys and values of 30 layers, 3 heads of 64, in f16.
  const cache = 30 * 2 * 3 * 64 * 2 * info.context;
  const over = info.processorBytes / (weights + cache);
  assert.ok(over > 1 && over < MOST_OVER, `${info.processorBytes} bytes for ${weights} of weights, ${cache} of cache`);
  assert.ok(info.wasmBytes < 32 * 2 ** 20, `the core's memory grew to ${info.wasmBytes}`);
});

test("an abort in mid-prompt or mid-answer is heard soon, and the next answer is as ever", async () => {
  const { waits, codes, text } = await isolated.evaluate(async () => {
    const model = await load("/models/demo.gguf");
    const waits = [];
    const codes = [];
    /** Aborts a generation when `moment` has come, and sees how long the worker is still at it. */
    const abort = async (prompt, moment) => {
      const controller = new AbortController();
      const run = model.generate(prompt, { maxTokens: 400, ignoreEos: true, signal: controller.signal });
      await moment(run);
      controller.abort();
      codes.push((await fault(run.result)).code);
      const begun = performance.now();
      await model.tokenize("a");
      waits.push(performance.now() - begun);
    };
    await abort("word ".repeat(1500), () => new Promise((done) => setTimeout(done, 150)));
    await abort("Once upon a time", (run) => run[Symbol.asyncIterator]().next());
    const { text } = await model.session().send("What is the capital of France?", { maxTokens: 24 }).result;
    await model.dispose();
    return { waits, codes, text };
  });
  assert.deepEqual(codes, ["aborted", "aborted"]);
  assert.ok(Math.max(...waits) < 1500, `waited ${waits} ms for a chunk to end`);
  assert.match(text, /Paris/);
});

test("two models at once answer as each does alone", async () => {
  const { together, alone } = await isolated.evaluate(async () => {
    const prompts = ["What is the capital of France?", "Write a haiku about rain."];
    const together = await Promise.all(prompts.map((prompt) => answer({ threads: 2 }, prompt)));
    const alone = [await answer({}, prompts[0]), await answer({}, prompts[1])];
    return { together: together.map(({ tokens }) => tokens), alone: alone.map(({ tokens }) => tokens) };
  });
  assert.deepEqual(together, alone);
  assert.notDeepEqual(together[0], together[1]);
});

test("threads go with their model", async () => {
  for (let patience = 50; isolated.workers().length > 0 && patience > 0; patience -= 1) await isolated.waitForTimeout(100);
  assert.deepEqual(
    isolated.workers().map((worker) => worker.url()),
    [],
  );
});

test("threads that can't be had are refused, and so is a GPU that is not there", async () => {
  const faults = await isolated.evaluate(async () => [
    await fault(load("/models/demo.gguf", { threads: 0 })),
    await fault(load("/models/demo.gguf", { threads: 1000 })),
    await fault(load("/models/demo.gguf", { device: "webgpu", threads: 2 })),
    await fault(load("/models/demo.gguf", { device: "webgpu" })),
    await fault(load("/models/demo.gguf", { activations: "int4" })),
  ]);
  assert.deepEqual(
    faults.map(({ code }) => code),
    ["option", "option", "option", "no-webgpu", "option"],
  );
  const { code, message } = await plain.evaluate(() => fault(load("/models/demo.gguf", { threads: 2 })));
  assert.equal(code, "option");
  assert.match(message, /Cross-Origin-Embedder-Policy/);
});

/** A thread that fails before its first run. */
const FAILING = `onmessage = ({ data: { memory, thread, failed } }) => {
  Atomics.store(new Int32Array(memory.buffer), failed >>> 2, thread);
  postMessage("ready");
};`;

const MODULE = "wasm/oriel_cpu_relaxed_threads.wasm";

/** Files that are not as they should be: what then is said. */
const FAULTS = [
  ["a module that is not there", MODULE, undefined, "engine", /relaxed_threads\.wasm answered 404/],
  ["a module that is none", MODULE, "<html>", "engine", /is no module for this browser/],
  ["a thread that is not there", "thread.js", undefined, "engine", /could not be started/],
  ["a thread that fails at once", "thread.js", 'throw new Error("no luck")', "engine", /no luck/],
  ["a thread that never starts", "thread.js", "// silence", "engine", /did not start within 10 s/],
  ["a thread that does nothing", "thread.js", 'onmessage = () => postMessage("ready")', "device-lost", /stopped answering/],
  ["a thread that fails later", "thread.js", FAILING, "device-lost", /thread 1 failed/],
];

for (const [name, file, text, code, message] of FAULTS) {
  test(`${name} ends in an error`, async () => {
    const page = await blank({ isolated: true, instead: { [`/oriel/${file}`]: text } });
    const said = await page.evaluate(() => fault(answer({ threads: 2 })));
    assert.deepEqual([said.name, said.code], ["OrielError", code], said.message);
    assert.match(said.message, message);
    await page.close();
  });
}

test("the page answers without WebGPU, and says what computes and why", async () => {
  const server = await serve({ isolated: true });
  after(() => server.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(server.address);
  await settings(page, { maxTokens: 24 });
  assert.match(await ask(page, "What is the capital of France?"), /Paris/);
  const shown = await figures(page);
  assert.match(shown.place, /^The processor: .*no graphics adapter/);
  assert.equal(shown.adapter, "processor, 2 threads");
  await page.goto(`${server.address}?device=webgpu`);
  await loadModel(page, "models/demo.gguf");
  assert.equal(await page.getAttribute("#notice", "data-code"), "no-webgpu");
  await page.close();
});

test("a browser that knows no WebGPU at all is told apart", async () => {
  const server = await serve({ workerPrelude: "delete WorkerNavigator.prototype.gpu;" });
  after(() => server.close());
  const page = await browser.newPage();
  await page.goto(server.address);
  await page.click("#load-demo");
  await state(page, "ready");
  assert.match((await figures(page)).place, /^The processor: this browser does not offer WebGPU/);
  await page.close();
});

test("where headers can't be set, the package's service worker isolates the page", async () => {
  const shim = await readFile(new URL("../../pkg/dist/isolation.js", import.meta.url), "utf8");
  const html = '<!doctype html><title>shim</title><script src="isolation.js"></script>';
  const page = await blank({ instead: { "/isolation.js": shim, "/shim.html": html } });
  assert.equal(await page.evaluate(() => crossOriginIsolated), false);
  await page.goto(new URL("shim.html", page.url()).href);
  await page.waitForFunction(() => crossOriginIsolated);
  const info = await page.evaluate(async () => {
    const { load } = await import("/oriel/index.js");
    const model = await load("/models/demo.gguf", { threads: 2, context: 64 });
    await model.dispose();
    return model.info;
  });
  assert.equal(info.adapter.name, "processor, 2 threads");
  await page.close();
});

test("Firefox answers by itself, on threads", async () => {
  const server = await serve({ isolated: true });
  const firefox = await launchFirefox();
  try {
    const page = await firefox.newPage();
    await page.goto(server.address);
    await page.waitForSelector('body[data-state="idle"]');
    await page.$eval('#settings [name="maxTokens"]', (field) => (field.value = "24"));
    await page.type("#prompt", "What is the capital of France?");
    await page.keyboard.press("Enter");
    await page.waitForSelector('#messages li[data-role="assistant"]:is([data-state="done"], [data-state="failed"])');
    const read = (selector) => page.$eval(selector, (element) => element.textContent);
    assert.match(await read('#messages li[data-role="assistant"] .words'), /Paris/);
    assert.match(await read('[data-figure="place"]'), /^The processor: /);
    assert.match(await read('[data-figure="adapter"]'), /^processor, \d threads$/);
  } finally {
    await firefox.close();
    server.close();
  }
});
