// Many loads and many answers, most of them given up: memory of the GPU, of WebAssembly and of JavaScript comes back.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test, { after } from "node:test";
import { start } from "./browser.mjs";

/** How much more than before may be left. */
const MOST_OVER = 1.05;

/** Runs in the worker before the engine: tells bytes of GPU buffers and of WebAssembly's memories when it is asked. */
const COUNT = `{
  const living = new Map();
  const memories = new Set();
  const { createBuffer, destroy } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    living.set(buffer, { size: descriptor.size, device: this });
    return buffer;
  };
  GPUDevice.prototype.destroy = function () {
    for (const [buffer, { device }] of living) if (device === this) living.delete(buffer);
    destroy.call(this);
  };
  const free = GPUBuffer.prototype.destroy;
  GPUBuffer.prototype.destroy = function () {
    living.delete(this);
    free.call(this);
  };
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const make = WebAssembly[name];
    WebAssembly[name] = async (...given) => {
      const made = await make.apply(WebAssembly, given);
      const { memory } = (made.instance ?? made).exports;
      if (memory) memories.add(memory);
      return made;
    };
  }
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    constructor(...given) {
      super(...given);
      memories.add(this);
    }
  };
  const gpu = () => [...living.values()].reduce((sum, { size }) => sum + size, 0);
  const wasm = () => [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  // What is left as the engine says that it has freed all, and what there is when the page asks.
  const channel = new BroadcastChannel("memory");
  channel.onmessage = () => channel.postMessage({ gpu: gpu(), wasm: wasm() });
  const post = self.postMessage.bind(self);
  let farewell;
  self.addEventListener("message", ({ data }) => (farewell = data.name === "dispose" ? data.id : farewell));
  self.postMessage = (message) => {
    if (message.kind === "done" && message.id === farewell) channel.postMessage({ left: gpu() });
    post(message);
  };
}
`;

const tiny = await readFile(fileURLToPath(new URL("../golden/llama.gguf", import.meta.url)));
const options = { workerPrelude: COUNT, instead: { "/tiny.gguf": tiny }, device: undefined };
const { open } = await start(after, options);
const page = await open("blank.html");
page.setDefaultTimeout(120_000);
const devtools = await page.context().newCDPSession(page);

/** Bytes of JavaScript's heap, the page's and that of its workers, so many, after collecting what is of no use. */
async function heaps(count) {
  // The browser's tools hear a little late of a worker that has ended.
  for (let patience = 100; workers.size !== count && patience > 0; patience -= 1) await page.waitForTimeout(50);
  assert.equal(workers.size, count);
  const bytes = [await heapOf((method) => devtools.send(method))];
  for (const sessionId of workers) bytes.push(await heapOf((method) => tellWorker(sessionId, method)));
  return bytes;
}

async function heapOf(send) {
  for (let times = 0; times < 3; times += 1) await send("HeapProfiler.collectGarbage");
  return (await send("Runtime.getHeapUsage")).usedSize;
}

/** Workers as the browser's own tools see them, and what they were asked and have not answered. */
const workers = new Set();
const asked = new Map();
devtools.on("Target.attachedToTarget", ({ sessionId }) => workers.add(sessionId));
devtools.on("Target.detachedFromTarget", ({ sessionId }) => workers.delete(sessionId));
devtools.on("Target.receivedMessageFromTarget", ({ message }) => {
  const { id, result } = JSON.parse(message);
  asked.get(id)?.(result);
});
await devtools.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false });

function tellWorker(sessionId, method) {
  const id = asked.size + 1;
  const answered = new Promise((done) => asked.set(id, done));
  void devtools.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method }) });
  return answered;
}

await page.evaluate(async () => {
  const { load } = await import("/oriel/index.js");
  const channel = new BroadcastChannel("memory");
  /** The most bytes on the GPU that any worker has left as it ended. */
  let left = 0;
  let told;
  channel.onmessage = ({ data }) => {
    if ("left" in data) left = Math.max(left, data.left);
    else told?.(data);
  };

  /** Random numbers, the same each time: Park and Miller's. */
  let seed = 20_26;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;

  /** Loads and disposes so many times; some loads are given up. */
  globalThis.loads = async (device, count) => {
    let aborted = 0;
    for (let place = 0; place < count; place += 1) {
      const controller = new AbortController();
      const timer = place % 5 === 4 ? setTimeout(() => controller.abort(), random() * 100) : undefined;
      try {
        const model = await load("/tiny.gguf", { device, tuning: "start", signal: controller.signal });
        if (place % 3 === 0) await model.generate("the cat", { maxTokens: 2 }).result;
        await model.dispose();
      } catch (error) {
        if (error.code !== "aborted") throw error;
        aborted += 1;
      }
      clearTimeout(timer);
    }
    // A worker that is ended lets go of its lock a moment later.
    const waiting = async () => (await navigator.locks.query()).pending.length;
    for (let patience = 100; (await waiting()) > 0 && patience > 0; patience -= 1) {
      await new Promise((done) => setTimeout(done, 20));
    }
    return { left, aborted, locks: await waiting() };
  };

  let model;
  globalThis.begin = async (device) => void (model = await load("/tiny.gguf", { device, tuning: "start" }));
  globalThis.end = () => model.dispose();
  globalThis.memory = () =>
    new Promise((done) => {
      told = done;
      channel.postMessage("tell");
    });

  /** So many short answers, of which every other one is given up, some before they begin. */
  globalThis.generate = async (count) => {
    let aborted = 0;
    for (let place = 0; place < count; place += 1) {
      const controller = new AbortController();
      const most = Math.floor(random() * 6);
      const prompt = "the cat sat on a mat".slice(0, 3 + Math.floor(random() * 17));
      const options = { maxTokens: 5, ignoreEos: true, temperature: place % 3, seed: place, signal: controller.signal };
      const run = model.generate(prompt, options);
      try {
        let seen = 0;
        if (place % 2 && most === 0) controller.abort();
        for await (const _ of run) if (place % 2 && ++seen === most) controller.abort();
      } catch (error) {
        if (error.code !== "aborted") throw error;
        aborted += 1;
      }
    }
    return aborted;
  };
});

/** A share more than before. */
const within = (before, now, what) =>
  assert.ok(now <= before * MOST_OVER, `${what}: ${before} bytes before, ${now} after`);

test("200 loads and disposals leave nothing: ten of them on the GPU", async (t) => {
  await page.evaluate(() => loads("webgpu", 2));
  await page.evaluate(() => loads("cpu", 20));
  const [before] = await heaps(0);
  const { left, aborted, locks } = await page.evaluate(() => loads("cpu", 170));
  const gpu = await page.evaluate(() => loads("webgpu", 8));
  const [now] = await heaps(0);
  t.diagnostic(`page's heap ${before} -> ${now} bytes; ${aborted} loads given up`);
  within(before, now, "the page's heap");
  assert.ok(aborted > 10);
  assert.deepEqual([left, locks, gpu.left, gpu.locks], [0, 0, 0, 0]);
});

// A browser compiles what runs often, in steps, and its compiled code counts as heap: so the page is warm before it counts.
for (const [device, warm, count] of [["cpu", 1000, 1000], ["webgpu", 150, 250]]) {
  test(`${warm + count} short answers, many of them given up: ${device}`, async (t) => {
    await page.evaluate((device) => begin(device), device);
    t.after(() => page.evaluate(() => end()));
    await page.evaluate((count) => generate(count), warm);
    const [memory, heap] = [await page.evaluate(() => memory()), await heaps(1)];
    const aborted = await page.evaluate((count) => generate(count), count);
    const [memoryNow, heapNow] = [await page.evaluate(() => memory()), await heaps(1)];
    const shown = { memory, memoryNow, heap, heapNow, aborted };
    t.diagnostic(JSON.stringify(shown));
    assert.ok(aborted > count / 4);
    assert.ok(memory.wasm > 0 && (device === "cpu" || memory.gpu > 0));
    for (const what of ["gpu", "wasm"]) within(memory[what], memoryNow[what], what);
    for (const [place, who] of ["page", "worker"].entries()) within(heap[place], heapNow[place], `the ${who}'s heap`);
    await page.evaluate(() => end());
    assert.deepEqual(await page.evaluate(() => loads("cpu", 0)), { left: 0, aborted: 0, locks: 0 });
  });
}
