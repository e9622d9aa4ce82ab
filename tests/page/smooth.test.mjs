// The main thread while the engine works: it never computes, so no task of it is long and its timers come in time.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { start } from "./browser.mjs";

/** What browsers call a long task, in milliseconds. */
const LONG_MS = 50;

/** About 700 tokens. */
const PROMPT = "The capital of France is a city on a river, and the people who live there like to walk. ".repeat(35);

const { open } = await start(after, { device: "" });
const page = await open("blank.html");
await page.evaluate(async () => {
  const { load } = await import("/oriel/index.js");
  /** The long tasks of the main thread and the greatest gaps between its timers, while `run` goes on. */
  const watch = async (run) => {
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
    observer.observe({ type: "longtask" });
    const gaps = [];
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }, 4);
    const result = await run();
    // The observer hears of a task in one that follows it.
    await new Promise((done) => setTimeout(done, 100));
    clearInterval(timer);
    tasks.push(...observer.takeRecords().map(({ duration }) => duration));
    observer.disconnect();
    gaps.sort((a, b) => b - a);
    return { result, tasks, gaps: gaps.slice(0, 5), most: gaps[Math.floor(gaps.length / 200)], timers: gaps.length };
  };
  const block = (ms) => {
    for (const end = performance.now() + ms; performance.now() < end; );
  };
  Object.assign(globalThis, { load, watch, block });
});

test("the watch sees a main thread that is kept", async () => {
  const { tasks, gaps } = await page.evaluate(() =>
    watch(() => new Promise((done) => setTimeout(() => done(block(80)), 20))),
  );
  assert.ok(tasks.length > 0 && tasks[0] >= 80 && gaps[0] >= 80, `${tasks}; ${gaps}`);
});

/** What the main thread did while a prompt was computed and answered. */
function answer(options, prompt, maxTokens) {
  return page.evaluate(
    async ([options, prompt, maxTokens]) => {
      const model = await load("/models/demo.gguf", { tuning: "start", ...options });
      const seen = await watch(async () => {
        const run = model.generate(prompt, { maxTokens, ignoreEos: true });
        for await (const { text } of run) document.body.append(text);
        return (await run.result).usage;
      });
      await model.dispose();
      return seen;
    },
    [options, prompt, maxTokens],
  );
}

const CASES = [
  ["on the processor", { device: "cpu", threads: 1 }, PROMPT, 100],
  ["on a GPU, by frames", { device: "webgpu", tuning: "start", frameBudget: 16 }, PROMPT.slice(0, 180), 4],
];

for (const [name, options, prompt, maxTokens] of CASES) {
  test(`no long task while a prompt is computed and answered: ${name}`, async () => {
    const { result, tasks, gaps, most, timers } = await answer(options, prompt, maxTokens);
    assert.equal(result.completionTokens, maxTokens);
    assert.ok(result.promptTokens > prompt.length / 6, `${result.promptTokens} tokens`);
    assert.deepEqual(tasks, [], `long tasks on the main thread; gaps up to ${gaps}`);
    // A timer may wait for a core on a busy machine, but not one in two hundred.
    assert.ok(most < LONG_MS, `${timers} timers, the greatest gaps ${gaps}`);
  });
}

test("a frame budget that makes no sense is refused by its name", async () => {
  const refused = await page.evaluate(() => {
    const refusal = (frameBudget) =>
      load("/models/demo.gguf", { device: "cpu", frameBudget }).catch(({ code, message }) => `${code}: ${message}`);
    return Promise.all([refusal(1001), refusal(0), refusal("long")]);
  });
  assert.match(refused[0], /^option: the frame budget is 1001 ms; expected 1 to 1000/);
  for (const message of refused.slice(1)) assert.match(message, /^option: load: frameBudget is .*; expected a whole number/);
});
