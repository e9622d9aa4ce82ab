// A check in a real browser: what it says of a model is what the command and a load say, and it reads no weights.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "./browser.mjs";
import { modelFile } from "./server.mjs";

/** The demo model's head, vocabulary and all, takes 1.8 of its 98 MB; the server sends on while the engine starts. */
const MOST_READ = 32 * 2 ** 20;

const hub = { "tiny/llama": fileURLToPath(new URL("../golden/llama", import.meta.url)) };
const { server, open } = await start(after, { hub });
const page = await open("blank.html");
await page.evaluate(async (address) => {
  const { check, load } = await import("/oriel/index.js");
  const fault = (promise) => promise.then(JSON.stringify, ({ name, code }) => `${name} ${code}`);
  Object.assign(globalThis, { check, load, fault, hub: `${address}hub` });
}, server.address);

/** What `oriel inspect` says. */
function inspect(model, ...options) {
  const command = process.env.ORIEL_COMMAND;
  if (!command) throw new Error("ORIEL_COMMAND names no command; `cargo xtask test page` sets it");
  return JSON.parse(execFileSync(command, ["inspect", "--model", model, "--json", ...options], { maxBuffer: 1 << 26 }));
}

test("a model on a server: the sizes that the command names, on either device, without its weights", async () => {
  const [gpu, short, own, packed] = await page.evaluate(async () => [
    await check("/fault/slow/demo.gguf", { device: "webgpu" }),
    await check("/fault/slow/demo.gguf", { device: "webgpu", context: 300, cache: "f32" }),
    await check("/fault/slow/demo.gguf"),
    await check("/fault/slow/demo.gguf", { device: "cpu", cache: "q8" }),
  ]);
  const { size } = statSync(modelFile());
  const said = inspect(modelFile());
  const { gpuBytesByContext, tokensPerSecond, ...rest } = gpu;
  assert.ok(tokensPerSecond > 0.1 && tokensPerSecond < 1000, `${tokensPerSecond} tokens a second on software`);
  const contexts = gpuBytesByContext.map(({ context }) => context);
  assert.deepEqual(contexts, [1024, 2048, 4096, said.greatest_context]);
  const [{ gpuBytes: least }] = gpuBytesByContext;
  assert.equal(least, inspect(modelFile(), "--context", "1024").gpu_bytes);
  assert.deepEqual(rest, {
    ...{ status: "downloadable", downloadBytes: size, storedBytes: 0, gpuBytes: said.gpu_bytes },
    maxContext: said.greatest_context,
    ...{ device: "webgpu", deviceReason: "WebGPU was asked for", reasons: ["on the GPU: WebGPU was asked for"] },
  });
  assert.equal(short.gpuBytes, inspect(modelFile(), "--context", "300", "--cache", "f32").gpu_bytes);
  // SwiftShader is no GPU.
  assert.deepEqual([own.status, own.device, own.maxContext], ["downloadable", "cpu", said.greatest_context]);
  assert.match(own.deviceReason, /software: it multiplies [\d.]+ GB\/s of weights, the processor [\d.]+$/);
  assert.ok(Math.abs(own.gpuBytes / said.gpu_bytes - 1) < 0.1, `${own.gpuBytes} bytes on the processor`);
  const { cache_bytes } = inspect(modelFile(), "--cache", "q8");
  assert.deepEqual([packed.status, own.gpuBytes - packed.gpuBytes], ["downloadable", said.cache_bytes - cache_bytes]);

  let sent = [];
  for (let wait = 0; sent.length < 4 && wait < 50; wait++) {
    await new Promise((done) => setTimeout(done, 100));
    sent = server.sent.filter(({ path }) => path.startsWith("/fault/slow/")).map(({ bytes }) => bytes);
  }
  assert.equal(sent.length, 4, "a download still goes on");
  assert.ok(sent.every((bytes) => bytes > 2 ** 20 && bytes < MOST_READ), `${sent} bytes were sent`);
});

test("software is measured once against the processor, and what is kept decides the next time", async () => {
  const { first, again, turned, loaded, kept } = await page.evaluate(async () => {
    const fit = () => check("hf:tiny/llama", { hub }).then(({ device, deviceReason }) => ({ device, deviceReason }));
    const first = await fit();
    const again = await fit();
    const store = await caches.open("oriel-tuning");
    const places = (await store.keys()).filter(({ url }) => /oriel-speeds(?!.*%20alone%20)/.test(url));
    const kept = await (await store.match(places[0])).json();
    // As if the adapter had been the faster one: that is believed, by a load too.
    await store.put(places[0], new Response(JSON.stringify({ adapter: 2 * kept.processor, processor: kept.processor })));
    const turned = await fit();
    const model = await load("hf:tiny/llama", { hub, tuning: "start", storage: "none" });
    const { device, deviceReason } = model.info;
    await model.dispose();
    await store.delete(places[0]);
    return { first, again, turned, loaded: { device, deviceReason }, kept: { ...kept, places: places.length } };
  });
  assert.equal(kept.places, 1);
  assert.deepEqual(again, first, "it is not measured again");
  assert.equal(first.device, kept.adapter > kept.processor ? "webgpu" : "cpu");
  assert.ok(kept.adapter > 1e7 && kept.processor > 1e8, `${kept.adapter} and ${kept.processor} bytes a second`);
  assert.equal(turned.device, "webgpu");
  assert.deepEqual(loaded, turned);
});

test("how many tokens a second: near an answer's, and half of them where weights take twice the room", async () => {
  const { said, seen, halves, floats, kept } = await page.evaluate(async () => {
    const { tokensPerSecond: said } = await check("/models/demo.gguf", { device: "cpu" });
    const model = await load("/models/demo.gguf", { device: "cpu", storage: "none" });
    const options = { maxTokens: 32, temperature: 0, ignoreEos: true };
    const { timings } = await model.generate("The world is", options).result;
    await model.dispose();
    const rate = async (precision) => (await check("hf:tiny/llama", { hub, device: "cpu", precision })).tokensPerSecond;
    const [halves, floats] = [await rate("f16"), await rate("f32")];
    const places = (await (await caches.open("oriel-tuning")).keys()).map(({ url }) => decodeURIComponent(url));
    const kept = places.filter((url) => /oriel-speeds.the processor .* alone one /.test(url)).length;
    return { said, seen: timings.decodeTokensPerSecond, halves, floats, kept };
  });
  // A machine with other work to do in the one moment or the other is allowed for.
  assert.ok(said / seen > 1 / 4 && said / seen < 4, `${said} tokens a second were said, ${seen} seen`);
  assert.ok(Math.abs(halves / floats - 2) < 0.1, `${halves} in f16, ${floats} in f32`);
  assert.equal(kept, 1);
});

test("a checkpoint on a hub: device and context as a load has them", async () => {
  for (const device of ["webgpu", "cpu"]) {
    const { fit, info } = await page.evaluate(async (device) => {
      const fit = await check("hf:tiny/llama", { hub, device });
      const model = await load("hf:tiny/llama", { hub, device, tuning: "start", storage: "none" });
      await model.dispose();
      return { fit, info: model.info };
    }, device);
    assert.deepEqual([fit.status, fit.device, fit.maxContext], ["downloadable", info.device, info.trainedContext]);
    assert.ok(fit.downloadBytes > 0 && fit.gpuBytes > 0);
  }
});

test("what a load has stored is ready", async () => {
  const [before, after] = await page.evaluate(async () => {
    const before = await check("hf:tiny/llama", { hub });
    await (await load("hf:tiny/llama", { hub, device: "cpu" })).dispose();
    return [before, await check("hf:tiny/llama", { hub })];
  });
  assert.deepEqual([before.status, before.storedBytes], ["downloadable", 0]);
  assert.deepEqual([after.status, after.storedBytes, after.downloadBytes], ["ready", before.downloadBytes, 0]);
});

test("a file that is here is ready", async () => {
  const fit = await page.evaluate(async () => {
    const blob = await (await fetch("/models/demo.gguf")).blob();
    return check(new File([blob], "demo.gguf"), { device: "webgpu" });
  });
  assert.deepEqual([fit.status, fit.downloadBytes], ["ready", 0]);
});

test("what can't run is unavailable, for a reason; what can't be read throws", async () => {
  const refused = await page.evaluate(() =>
    Promise.all(["tensor", "quantisation", "wrong", "truncated"].map((kind) => check(`/fault/${kind}/m.gguf`))),
  );
  const reasons = [/blk\.3\.attn_q/, /blk\.3\.attn_q\.weight.*iq4_nl/i, /^m\.gguf: .*GGUF/, /^m\.gguf: /];
  for (const [place, { status, gpuBytes, maxContext, reasons: said }] of refused.entries()) {
    assert.deepEqual([status, gpuBytes, maxContext], ["unavailable", null, null]);
    assert.match(said[0], reasons[place]);
  }
  const thrown = await page.evaluate(() => {
    const given = new AbortController();
    setTimeout(() => given.abort(), 20);
    return Promise.all([
      fault(check("/fault/absent/m.gguf")),
      fault(check("/fault/page/m.gguf")),
      fault(check("http://127.0.0.1:9/m.gguf")),
      fault(check("/models/demo.gguf", { context: 1e6 })),
      fault(check("/models/demo.gguf", { threads: 2 })),
      fault(check("/fault/slow/m.gguf", { signal: given.signal })),
    ]);
  });
  const codes = ["not-found", "not-a-model", "network", "option", "option"].map((code) => `OrielError ${code}`);
  assert.deepEqual(thrown, [...codes, "AbortError aborted"]);
});

test("what does not suit a file is said with the name that it has", async () => {
  const message = await page.evaluate(async () => {
    const blob = await (await fetch("/models/demo.gguf")).blob();
    const asked = check(new File([blob], "my_own_q4_1.gguf"), { device: "cpu", context: 1e6 });
    return asked.then(JSON.stringify, (error) => error.message);
  });
  assert.match(message, /^my_own_q4_1\.gguf: context is 1000000; /);
});
