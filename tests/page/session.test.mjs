// Conversations on the real model in a page: turns among several, usage, a context that is full, saved and restored.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { start } from "./browser.mjs";

const { open } = await start(after, { device: undefined });
const page = await open("blank.html");

await page.evaluate(async () => {
  const { load } = await import("/oriel/index.js");
  globalThis.fresh = (options) => load("/models/demo.gguf", { device: "cpu", ...options });
  globalThis.model = await fresh();
  globalThis.failure = (promise) => promise.then(
    () => null,
    ({ code, message }) => ({ code, message }),
  );
});

test("generations and sessions that take turns say what each says alone", async () => {
  const { together, alone, first, ends } = await page.evaluate(async () => {
    const prompts = ["rivers", "mountains", "the sea"].map(
      (what) => `Here is all that I have learned about ${what} in a long life of travelling, told as it came to me in the
        evenings, one thing after another, as old people do: `,
    );
    const asking = { maxTokens: 120, ignoreEos: true };
    const alone = [];
    for (const prompt of prompts) {
      const undisturbed = await fresh();
      alone.push((await undisturbed.generate(prompt, asking).result).text);
      await undisturbed.dispose();
    }
    const first = [];
    const ends = [];
    const run = async (prompt, place) => {
      const text = [];
      for await (const chunk of model.generate(prompt, asking)) {
        if (text.push(chunk.text) === 1) first[place] = performance.now();
      }
      ends[place] = performance.now();
      return text.join("");
    };
    return { together: await Promise.all(prompts.map(run)), alone, first, ends };
  });
  assert.deepEqual(together, alone);
  assert.ok(first[2] < ends[0], "the last began before the first had ended");
});

test("a clone of the browser's LanguageModel shares what stands in the cache, and its usage is the engine's", async () => {
  const { usages, counted, clone } = await page.evaluate(async () => {
    const { createLanguageModel } = await import("/oriel/prompt-api.js");
    const runs = [];
    const own = await fresh();
    const generate = own.generate.bind(own);
    own.generate = (prompt, options) => runs[runs.push(generate(prompt, { ...options, maxTokens: 16 })) - 1];
    const LanguageModel = createLanguageModel(own);
    const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "You are brief." }] });
    await session.prompt("What is the capital of France?");
    const branch = await session.clone();
    const clone = [branch.contextUsage, session.contextUsage, branch.contextWindow, own.info.context];
    await Promise.all([session, branch].map((one, place) => one.prompt(["And of Spain?", "And of Italy?"][place])));
    const usages = (await Promise.all(runs.map(({ result }) => result))).map(({ usage }) => usage);
    const counted = [session, branch].map(({ contextUsage }) => contextUsage);
    await own.dispose();
    return { usages, counted, clone };
  });
  assert.equal(clone[0], clone[1]);
  assert.equal(clone[2], clone[3]);
  const [first, ...others] = usages;
  const before = first.promptTokens + first.completionTokens;
  for (const { promptTokens, cachedTokens } of others) {
    assert.ok(cachedTokens > before - 8, `${cachedTokens} of ${promptTokens} after ${before}`);
  }
  assert.deepEqual(counted, others.map(({ promptTokens, completionTokens }) => promptTokens + completionTokens));
});

test("a session tells its usage; what outgrows the context is refused with numbers, and nothing is lost", async () => {
  const { before, usage, error, messages, goesOn } = await page.evaluate(async () => {
    const small = await fresh({ context: 128 });
    const chat = small.session();
    const before = chat.usage;
    await chat.send("What is the capital of France?", { maxTokens: 16 }).result;
    const { usage } = chat;
    const error = await failure(chat.send("Tell me more. ".repeat(60)).result);
    const messages = chat.messages.length;
    const goesOn = (await chat.send("And of Spain?", { maxTokens: 4 }).result).usage;
    await small.dispose();
    return { before, usage, error, messages, goesOn };
  });
  assert.deepEqual(before, { tokens: 0, context: 128, share: 0 });
  assert.ok(usage.tokens > 30 && usage.tokens < 128 && usage.share === usage.tokens / 128);
  assert.equal(error.code, "context-full");
  assert.match(error.message, /the prompt has \d+ tokens, the context 128 positions/);
  assert.equal(messages, 2);
  assert.ok(goesOn.cachedTokens > 20);
});

test("a saved session goes on as it would have, from bytes and by name, and only with its own model", async () => {
  const asked = async () => {
    globalThis.saved = "kept chat / 1";
    const chat = model.session({ system: "You are brief, friendly and exact in all that you say to people." });
    await chat.send("What is the capital of France?", { maxTokens: 20 }).result;
    const bytes = await chat.save(saved);
    const branch = chat.clone();
    const asking = { maxTokens: 24 };
    const expected = await chat.send("And what is it known for?", asking).result;
    const cloned = await branch.send("And what is it known for?", asking).result;
    const other = await fresh();
    const restored = await other.restore(bytes);
    const again = await restored.send("And what is it known for?", asking).result;
    await other.dispose();
    const half = await fresh({ cache: "f32" });
    const refused = await failure(half.restore(bytes));
    const recomputed = await half.restore(bytes, { recompute: true });
    const anew = await recomputed.send("And what is it known for?", asking).result;
    await half.dispose();
    const unknown = await failure(model.restore("nothing"));
    return { expected, cloned, again, refused, anew, unknown, size: bytes.length };
  };
  const { expected, cloned, again, refused, anew, unknown, size } = await page.evaluate(asked);
  assert.equal(again.text, expected.text);
  assert.equal(cloned.text, expected.text);
  const { promptTokens, cachedTokens } = again.usage;
  assert.ok(cachedTokens > 50 && cachedTokens < promptTokens, `${cachedTokens} of ${promptTokens}`);
  assert.equal(refused.code, "model-mismatch");
  assert.match(refused.message, /another format/);
  assert.equal(anew.usage.cachedTokens, 0);
  assert.equal(unknown.code, "not-found");
  assert.ok(size > 1e6, "keys and values are in it");

  await page.reload();
  const restored = await page.evaluate(async () => {
    const { load, storage } = await import("/oriel/index.js");
    const model = await load("/models/demo.gguf", { device: "cpu" });
    const listed = await storage.sessions.list();
    const chat = await model.restore("kept chat / 1");
    const { usage, messages } = chat;
    const next = await chat.send("And what is it known for?", { maxTokens: 24 }).result;
    await chat.save("another");
    const names = async () => (await storage.sessions.list()).map(({ name }) => name);
    const both = await names();
    await storage.sessions.delete(listed[0]);
    const left = await names();
    const gone = await model.restore("kept chat / 1").catch(({ code }) => code);
    await storage.sessions.clear();
    const age = Date.now() - listed[0].savedAt.getTime();
    const kept = { listed: listed.map(({ name, bytes }) => ({ name, bytes })), both, left, gone, none: await names(), age };
    return { usage, messages: messages.length, next, kept };
  });
  assert.equal(restored.messages, 3);
  assert.ok(restored.usage.tokens > 50);
  assert.deepEqual([restored.next.text, restored.next.usage], [expected.text, again.usage]);
  const { age, ...kept } = restored.kept;
  assert.ok(age >= 0 && age < 120_000);
  const name = "kept chat / 1";
  const listed = [{ name, bytes: size }];
  assert.deepEqual(kept, { listed, both: ["another", name], left: ["another"], gone: "not-found", none: [] });
});
