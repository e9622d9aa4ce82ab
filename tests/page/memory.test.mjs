// Too little memory while a model loads: the error says what would fit, that does fit, and nothing is left on the device.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "./browser.mjs";

/**
 * Runs in the worker before the engine: a GPU that says, as a full one does, that it has no more than so many bytes, and
 * a WebAssembly that grows no further.
 */
const SMALL = `{
  const room = 850_000;
  let taken = 0, refused = false;
  const living = new Map();
  const { createBuffer, popErrorScope } = GPUDevice.prototype;
  const channel = new BroadcastChannel("gpu");
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    refused = taken + descriptor.size > room;
    if (!refused) living.set(buffer, descriptor.size), (taken += descriptor.size);
    return buffer;
  };
  GPUDevice.prototype.popErrorScope = async function () {
    const full = refused;
    refused = false;
    const error = await popErrorScope.call(this);
    return full ? new GPUOutOfMemoryError("full") : error;
  };
  const { destroy } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    taken -= living.get(this) ?? 0;
    living.delete(this);
    destroy.call(this);
    channel.postMessage(taken);
  };
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    constructor(given) {
      super({ ...given, maximum: 2600 });
    }
  };
}
`;

const tiny = await readFile(fileURLToPath(new URL("../golden/llama.gguf", import.meta.url)));
const { open } = await start(after, { workerPrelude: SMALL, instead: { "/tiny.gguf": tiny }, device: undefined });
const page = await open("blank.html");
page.setDefaultTimeout(60_000);
await page.evaluate(async () => {
  const { load } = await import("/oriel/index.js");
  globalThis.left = undefined;
  new BroadcastChannel("gpu").onmessage = ({ data }) => (left = data);
  globalThis.attempt = async (source, options) => {
    try {
      const model = await load(source, { tuning: "start", ...options });
      const { tokens } = await model.generate("the cat", { maxTokens: 3, ignoreEos: true }).result;
      await model.dispose();
      return { tokens: tokens.length };
    } catch ({ code, message, recoverable }) {
      return { code, message, recoverable };
    }
  };
});
const attempt = (...given) => page.evaluate((given) => attempt(...given), given);

test("a model of too many bits for the GPU is refused with how many would do, and they do", async () => {
  const options = { device: "webgpu", precision: "f32", cache: "f32" };
  const { code, message, recoverable } = await attempt("/tiny.gguf", options);
  assert.deepEqual([code, recoverable], ["out-of-memory", false], message);
  assert.match(message, /the GPU has not enough memory.*; with precision: "q8" and a context of at most 96 it would fit$/);
  assert.equal(await page.evaluate(() => left), 0, "bytes on the GPU");
  assert.deepEqual(await attempt("/tiny.gguf", { ...options, precision: "q8", context: 96 }), { tokens: 3 });
});

test("a context too long for the processor's memory is refused with one that fits, and it does", async () => {
  const options = { device: "cpu" };
  const { code, message } = await attempt("/models/demo.gguf", options);
  assert.equal(code, "out-of-memory", message);
  const most = Number(/; with a context of at most (\d+) it would fit$/.exec(message)?.[1]);
  assert.ok(most >= 1024 && most < 4096, message);
  assert.deepEqual(await attempt("/models/demo.gguf", { ...options, context: most }), { tokens: 3 });
});
