// The same in Firefox, with WebGPU: load, generate, chat, stop, storage, healing, and a client over an adapter.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { clients } from "./clients.mjs";
import { WEBGPU, launchFirefox, run } from "./firefox.mjs";
import * as losses from "./losses.mjs";
import { serve } from "./server.mjs";
import * as unsteady from "./unsteady.mjs";

const instead = { "/clients.js": await clients(), ...losses.folder };
const server = await serve({ instead, workerPrelude: losses.FAULTS, isolated: false });
const { order, asked, address } = await unsteady.serveModels(after);
const firefox = await launchFirefox(WEBGPU);
after(async () => {
  await firefox.close();
  server.close();
});

/** A page of the server's, in which this has run. */
async function open(path, prepare = async () => undefined) {
  const page = await firefox.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(server.address + path);
  await run(page, prepare);
  return page;
}

const read = (page, selector) => page.$eval(selector, (element) => element.textContent);
const LAST = '#messages li:last-child[data-role="assistant"]';

test("the page loads a model on the GPU, chats, stops in mid-answer and goes on", async () => {
  const page = await open("?device=webgpu");
  await page.waitForSelector('body[data-state="idle"]');
  await page.$eval('#settings [name="maxTokens"]', (field) => (field.value = "12"));
  await page.type("#prompt", "What is the capital of France?");
  await page.keyboard.press("Enter");
  await page.waitForSelector(`${LAST}:is([data-state="done"], [data-state="failed"])`);
  assert.match(await read(page, `${LAST} .words`), /Paris/);
  assert.match(await read(page, '[data-figure="place"]'), /^The GPU/);

  await page.$eval('#settings [name="maxTokens"]', (field) => (field.value = "400"));
  await page.type("#prompt", "Tell me a long story.");
  await page.keyboard.press("Enter");
  await page.waitForFunction((last) => document.querySelector(`${last} .words`)?.textContent.includes(" "), {}, LAST);
  await page.click("#stop");
  await page.waitForSelector(`${LAST}[data-state="done"]`);
  assert.equal((await page.$$("#messages li")).length, 4);
  await page.waitForSelector('body[data-state="ready"]');
  await page.close();
});

test("generate says the same on the GPU and on the processor, sampled too", async () => {
  const page = await open("blank.html", losses.preparePage);
  for (const way of ["greedy", "sampled"]) {
    const [gpu, cpu] = await run(page, async (way) => {
      const both = [];
      for (const device of ["webgpu", "cpu"]) both.push(await answer({ device, precision: "f32", activations: "f32" }, way));
      return both;
    }, way);
    assert.equal(gpu.said.tokens.length, 60);
    assert.deepEqual(gpu.said, cpu.said, way);
    assert.deepEqual([gpu.events, cpu.events], [[], []]);
  }
  await page.close();
});

test("a lost GPU and a worker that ends heal in mid-answer", async () => {
  const page = await open("blank.html", losses.preparePage);
  for (const [device, how] of [["webgpu", "lose"], ["webgpu", "end"], ["cpu", "end"]]) {
    const [alone, disturbed] = await run(page, async (device, faults) => {
      const alone = await answer({ device, tuning: "start" }, "sampled");
      return [alone, await answer({ device, tuning: "start" }, "sampled", faults)];
    }, device, { how, at: [1, 30] });
    assert.deepEqual(disturbed.said, alone.said, `${device}, ${how}`);
    assert.equal(disturbed.events.filter((type) => type === "healed").length, 2, `${device}, ${how}`);
  }
  await page.close();
});

test("a download that breaks goes on where it stood, is verified, and then needs no server", async () => {
  const page = await open("blank.html", unsteady.preparePage);
  const load = (name, options) => run(page, (url, options) => globalThis.run(url, options), address(name), options);
  order.cut = true;
  const broken = await load("m.gguf");
  assert.equal(broken.code, "network", broken.message);
  order.cut = false;
  asked();
  const resumed = await load("m.gguf");
  assert.ok(resumed.text, resumed.message);
  const [request, ...more] = asked();
  assert.deepEqual(more, []);
  const [, from] = /^GET bytes=(\d+)-$/.exec(request) ?? assert.fail(request);
  assert.ok(Number(from) > 0 && Number(from) <= unsteady.CUT, request);
  order.gone = true;
  const stored = await load("m.gguf");
  order.gone = false;
  assert.deepEqual([stored.text, stored.source], [resumed.text, "cache"], stored.message);
  const left = await run(page, async () => {
    await storage.clear();
    return storage.list();
  });
  assert.deepEqual(left, []);
  await page.close();
});

test("OpenAI's client, streamed, gets what generate gives", async () => {
  const page = await open("blank.html");
  const { whole, streamed } = await run(page, async () => {
    const { OpenAI, createFetch, load } = await import(new URL("clients.js", location.href));
    const model = await load("/models/demo.gguf", { device: "cpu" });
    const messages = [{ role: "user", content: "What is the capital of France?" }];
    const whole = await model.generate(messages, { maxTokens: 24 }).result;
    const baseURL = "https://oriel.invalid/v1";
    const client = new OpenAI({ apiKey: "-", baseURL, fetch: createFetch(model), dangerouslyAllowBrowser: true });
    const body = { model: "demo", messages, temperature: 0, max_completion_tokens: 24, stream: true };
    let streamed = "";
    for await (const { choices } of await client.chat.completions.create(body)) streamed += choices[0]?.delta.content ?? "";
    await model.dispose();
    return { whole, streamed };
  });
  assert.match(whole.text, /Paris/);
  assert.equal(streamed, whole.text);
  await page.close();
});
