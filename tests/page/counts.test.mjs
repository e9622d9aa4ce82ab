// What a browser is asked to make: all of it before the last byte of a model has come, and nothing of it for a token.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "./browser.mjs";

/** Runs in the worker before the engine: counts what is made, and tells when it is asked. */
const COUNT = `{
  const made = { pipelines: 0, bindGroups: 0, buffers: 0, submits: 0 };
  const count = (prototype, method, what) => {
    const before = prototype[method];
    prototype[method] = function (...given) {
      made[what] += 1;
      return before.apply(this, given);
    };
  };
  count(GPUDevice.prototype, "createComputePipeline", "pipelines");
  count(GPUDevice.prototype, "createComputePipelineAsync", "pipelines");
  count(GPUDevice.prototype, "createBindGroup", "bindGroups");
  count(GPUDevice.prototype, "createBuffer", "buffers");
  count(GPUQueue.prototype, "submit", "submits");
  const channel = new BroadcastChannel("made");
  channel.onmessage = () => channel.postMessage(made);
}
`;

const bytes = await readFile(fileURLToPath(new URL("../golden/llama.gguf", import.meta.url)));

/** A server that keeps the last byte back until it is released. */
let release;
const released = new Promise((done) => (release = done));
const models = createServer(async (_, response) => {
  response.writeHead(200, { "access-control-allow-origin": "*", "content-length": bytes.length });
  response.write(bytes.subarray(0, -1));
  await released;
  response.end(bytes.subarray(-1));
});
await new Promise((done) => models.listen(0, "127.0.0.1", done));
after(() => (models.closeAllConnections(), models.close()));

const { open } = await start(after, { workerPrelude: COUNT, device: undefined });

test("pipelines are there before the last byte; a token makes no pipeline, bind group or buffer", async () => {
  const page = await open("blank.html");
  await page.evaluate(async (url) => {
    const { load } = await import("/oriel/index.js");
    const channel = new BroadcastChannel("made");
    globalThis.made = () =>
      new Promise((done) => {
        channel.onmessage = ({ data }) => done(data);
        channel.postMessage("tell");
        // A worker that has not begun hears nothing.
        setTimeout(() => done({ pipelines: 0 }), 1000);
      });
    globalThis.say = async (maxTokens, options) => {
      const model = await loading;
      return (await model.generate("the cat sat", { maxTokens, ignoreEos: true, ...options }).result).tokens.length;
    };
    const loading = load(url, { device: "webgpu", tuning: "start", storage: "none" });
  }, `http://127.0.0.1:${models.address().port}/held.gguf`);
  const made = () => page.evaluate(() => made());

  let before = { pipelines: 0 };
  for (let quiet = 0; quiet < 6; ) {
    await page.waitForTimeout(500);
    const now = await made();
    quiet = now.pipelines > 0 && now.pipelines === before.pipelines ? quiet + 1 : 0;
    before = now;
  }
  release();
  const say = (count, options) => page.evaluate(([count, options]) => say(count, options), [count, options]);
  assert.equal(await say(4), 4);
  const first = await made();
  assert.equal(first.pipelines, before.pipelines, "pipelines before the last byte and after the first answer");

  for (const options of [{}, { temperature: 0.8, topK: 20, seed: 1 }]) {
    await say(4, options);
    const few = await made();
    assert.equal(await say(4, options), 4);
    const again = await made();
    assert.equal(await say(36, options), 36);
    const many = await made();
    assert.equal(many.pipelines, first.pipelines);
    for (const what of ["bindGroups", "buffers"]) {
      assert.equal(many[what] - again[what], again[what] - few[what], `${what} of 36 tokens and of 4`);
    }
    assert.ok(many.submits - again.submits <= again.submits - few.submits + 32, "at most one submit a token");
  }
  await page.close();
});
