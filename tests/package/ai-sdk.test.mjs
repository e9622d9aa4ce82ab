// The AI SDK over a stand-in for the engine: `generateText` and `streamText` of `ai` itself, and every part of a stream.

import assert from "node:assert/strict";
import test from "node:test";
import { NoSuchModelError, UnsupportedFunctionalityError } from "@ai-sdk/provider";
import { Output, embed, generateText, jsonSchema, streamText, tool } from "ai";
import { lettersModel } from "./letters.mjs";
import { sources, thrown } from "./sources.mjs";

const index = `
export { OrielError } from "./errors.ts";
export const loads = [];
export async function load(source, options) {
  loads.push({ source, options });
  return loads.give();
}`;
const parts = await sources(["client", "host", "model", "index", "ai-sdk"], { index });
const { createOriel, loads } = parts;
const oriel = createOriel();
const start = (options) => lettersModel(parts, options);
const prompt = "Capital?";

const usage = { total: 9, text: 9, reasoning: 0 };

test("generateText gives the text, the reason and the usage", async () => {
  const { model, asked } = await start();
  const whole = await generateText({
    model: oriel(model),
    instructions: "Be brief.",
    prompt,
    maxOutputTokens: 20,
    temperature: 0.5,
    topP: 0.9,
    topK: 4,
    presencePenalty: 1,
    frequencyPenalty: -1,
    seed: 3,
    stopSequences: ["!"],
    providerOptions: { oriel: { minP: 0.1, repetitionPenalty: 1.1, ignoreEos: false } },
  });
  assert.deepEqual([whole.text, whole.finishReason, whole.rawFinishReason], ["Paris is.", "stop", "stop"]);
  assert.deepEqual([whole.usage.inputTokens, whole.usage.outputTokens, whole.usage.totalTokens], [18, 9, 27]);
  assert.deepEqual(whole.warnings, []);
  assert.equal(whole.response.modelId, "letters");
  assert.deepEqual(whole.providerMetadata.oriel.timings, { prefillMs: 1 });
  assert.deepEqual(asked, [
    {
      prompt: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Capital?" },
      ],
      options: {
        maxTokens: 20,
        temperature: 0.5,
        topP: 0.9,
        topK: 4,
        presencePenalty: 1,
        frequencyPenalty: -1,
        seed: 3,
        stop: ["!"],
        minP: 0.1,
        repetitionPenalty: 1.1,
        ignoreEos: false,
      },
    },
  ]);
  const short = await generateText({ model: oriel(model), prompt, maxOutputTokens: 5 });
  assert.deepEqual([short.text, short.finishReason], ["Paris", "length"]);
  assert.equal(short.usage.inputTokenDetails.cacheReadTokens, 1);
  await model.dispose();
});

test("streamText streams, and comes to the same", async () => {
  const { model } = await start();
  const streamed = streamText({ model: oriel(model), prompt });
  const deltas = [];
  for await (const delta of streamed.textStream) deltas.push(delta);
  assert.deepEqual(deltas, [..."Paris is."]);
  assert.equal(await streamed.finishReason, "stop");
  assert.equal((await streamed.usage).outputTokens, 9);
  await model.dispose();
});

test("a stream has every part that the specification asks for, in order", async () => {
  const { model } = await start({ says: "ab" });
  const user = { role: "user", content: [{ type: "text", text: "x" }, { type: "text", text: "y" }] };
  const said = { role: "assistant", content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] };
  const call = { prompt: [user, said, user], includeRawChunks: true };
  const { stream } = await oriel(model).doStream(call);
  const seen = [];
  for await (const part of stream) seen.push(part);
  const [begun, { timestamp, id, ...metadata }] = seen;
  assert.deepEqual(begun, { type: "stream-start", warnings: [] });
  assert.deepEqual(metadata, { type: "response-metadata", modelId: "letters" });
  assert.ok(timestamp instanceof Date && id.startsWith("oriel-"));
  assert.deepEqual(seen.slice(2, -1), [
    { type: "raw", rawValue: { token: 97, text: "a" } },
    { type: "text-start", id: "0" },
    { type: "text-delta", id: "0", delta: "a" },
    { type: "raw", rawValue: { token: 98, text: "b" } },
    { type: "text-delta", id: "0", delta: "b" },
    { type: "text-end", id: "0" },
  ]);
  const { type, finishReason, usage } = seen.at(-1);
  assert.deepEqual([type, finishReason], ["finish", { unified: "stop", raw: "stop" }]);
  assert.deepEqual(usage, {
    inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: undefined },
    outputTokens: { total: 2, text: 2, reasoning: 0 },
    raw: { promptTokens: 10, cachedTokens: 0, completionTokens: 2 },
  });
  const { content } = await oriel(model).doGenerate({ prompt: [user], maxOutputTokens: 0 });
  assert.deepEqual(content, []);
  await model.dispose();
});

test("what can't be honoured is refused, whole and streamed", async () => {
  const { model, asked } = await start();
  const weather = tool({ description: "w", inputSchema: jsonSchema({ type: "object", properties: {} }) });
  const image = [{ role: "user", content: [{ type: "file", mediaType: "image/png", data: new Uint8Array([137, 80]) }] }];
  const schema = jsonSchema({ type: "object", properties: {} });
  const cases = [
    [{ prompt, tools: { weather } }, /tools \(weather\)/],
    [{ prompt, output: Output.object({ schema }) }, /responseFormat "json"/],
    [{ prompt, reasoning: "high" }, /reasoning "high"/],
    [{ messages: image }, /part of type "file" \(message 0, of user\)/],
    [{ prompt, providerOptions: { oriel: { quantum: 1 } } }, /providerOptions.oriel.quantum is not an option; supp/],
    [{ prompt, temperature: 0.5, providerOptions: { oriel: { minP: "x" } } }, /minP is "x"; expected a number/],
  ];
  for (const [options, message] of cases) {
    const error = await thrown(generateText({ model: oriel(model), ...options }));
    assert.match(error.message, message);
    if (/support/.test(error.message) && !("providerOptions" in options)) {
      assert.ok(UnsupportedFunctionalityError.isInstance(error), String(error));
    }
    const failures = [];
    const streamed = streamText({ model: oriel(model), ...options, onError: ({ error }) => failures.push(error) });
    await streamed.consumeStream();
    assert.match(failures[0].message, message);
  }
  assert.equal(asked.length, 0);
  const none = await thrown(() => embed({ model: oriel.embeddingModel("e"), value: "a" }));
  assert.ok(NoSuchModelError.isInstance(none));
  assert.ok(NoSuchModelError.isInstance(await thrown(() => oriel.imageModel("i"))));
  assert.ok(NoSuchModelError.isInstance(await thrown(() => oriel.languageModel(""))));
  await model.dispose();
});

test("an abort ends a call and a stream; an error in mid-stream is a part", async () => {
  const { model, faults } = await start({ says: "x".repeat(1000), stepMs: 1 });
  const abort = new AbortController();
  const given = generateText({ model: oriel(model), prompt, abortSignal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  assert.equal((await thrown(given)).name, "AbortError");

  const another = new AbortController();
  const types = [];
  const streamed = streamText({ model: oriel(model), prompt, abortSignal: another.signal });
  for await (const { type } of streamed.stream) {
    types.push(type);
    if (types.length === 6) another.abort();
  }
  assert.equal(types.at(-1), "abort");

  const left = await oriel(model).doStream({ prompt: [{ role: "user", content: [{ type: "text", text: "a" }] }] });
  for await (const _ of left.stream) break;
  const { text } = await generateText({ model: oriel(model), prompt, maxOutputTokens: 2 });
  assert.equal(text, "xx");

  const failures = [];
  const broken = streamText({ model: oriel(model), prompt, onError: ({ error }) => failures.push(error) });
  for await (const _ of broken.textStream) faults.next = { code: "device-lost", message: "it went away" };
  assert.deepEqual(failures.map(({ code }) => code), ["device-lost"]);
  delete faults.next;
  faults.start = { code: "context-full", message: "too long" };
  assert.equal((await thrown(generateText({ model: oriel(model), prompt }))).code, "context-full");
  await model.dispose();
});

test("a source is loaded once, at the first call, by the provider's options; a failed load is tried again", async () => {
  const { model } = await start();
  const options = { device: "cpu" };
  const provider = createOriel(options);
  const lazy = provider("hf:owner/name");
  assert.equal(loads.length, 0);
  assert.deepEqual([lazy.modelId, lazy.provider, lazy.specificationVersion], ["hf:owner/name", "oriel", "v4"]);
  loads.give = () => {
    throw new Error("no");
  };
  assert.match((await thrown(generateText({ model: lazy, prompt }))).message, /no/);
  loads.give = () => model;
  const texts = await Promise.all(
    [lazy, provider.languageModel("hf:owner/name")].map((model) => generateText({ model, prompt, maxOutputTokens: 5 })),
  );
  assert.deepEqual(texts.map(({ text }) => text), ["Paris", "Paris"]);
  assert.deepEqual(loads.map(({ source, options }) => [source, options]), [
    ["hf:owner/name", options],
    ["hf:owner/name", options],
  ]);

  let arrive;
  const coming = createOriel()(new Promise((resolve) => (arrive = resolve)));
  const abort = new AbortController();
  const given = generateText({ model: coming, prompt, abortSignal: abort.signal });
  setTimeout(() => abort.abort(), 10);
  assert.equal((await thrown(given)).name, "AbortError");
  arrive(model);
  assert.equal((await generateText({ model: coming, prompt, maxOutputTokens: 1 })).text, "P");
  await provider.dispose();
  assert.equal((await thrown(generateText({ model: oriel(model), prompt }))).code, "disposed");
});
