// OpenAI's shape over a stand-in for the engine: by `model` itself, and by OpenAI's own client through `createFetch`.

import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";
import { lettersModel } from "./letters.mjs";
import { sources, thrown } from "./sources.mjs";

const parts = await sources(["client", "host", "model", "openai"]);
const { createFetch, RequestError } = parts;
const start = (options) => lettersModel(parts, options);

const messages = [{ role: "user", content: "Capital?" }];
const baseURL = "https://oriel.invalid/v1";

/** OpenAI's client over models; a request that got out would fail, as its host does not exist. */
function clientOf(models, options = {}) {
  return new OpenAI({ apiKey: "-", baseURL, fetch: createFetch(models), ...options });
}

async function all(items) {
  const list = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Without what differs from call to call. */
function steady({ id, created, ...rest }) {
  assert.match(id, /^(chatcmpl|cmpl)-[0-9a-f]{24}$/);
  assert.ok(Math.abs(created - Date.now() / 1000) < 60);
  return rest;
}

test("a whole answer has OpenAI's JSON", async () => {
  const { model } = await start();
  const answer = steady(await model.chat.completions.create({ messages, model: "mine" }));
  assert.deepEqual(answer, {
    object: "chat.completion",
    model: "mine",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "Paris is.", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: {
      prompt_tokens: 8,
      completion_tokens: 9,
      total_tokens: 17,
      prompt_tokens_details: { cached_tokens: 0 },
    },
  });
  const short = await model.chat.completions.create({ messages, max_completion_tokens: 5 });
  assert.deepEqual([short.choices[0].finish_reason, short.choices[0].message.content], ["length", "Paris"]);
  assert.deepEqual([short.model, short.usage.prompt_tokens_details], ["letters", { cached_tokens: 1 }]);
  await model.dispose();
});

test("a stream brings the role, the text, the reason, and the usage where it is asked for", async () => {
  const { model } = await start();
  const stream = await model.chat.completions.create({
    messages,
    stream: true,
    stream_options: { include_usage: true },
    stop: "is",
    max_tokens: 20,
  });
  const chunks = (await all(stream)).map(steady);
  assert.ok(chunks.every(({ object, model }) => object === "chat.completion.chunk" && model === "letters"));
  assert.deepEqual(chunks.at(0).choices[0].delta, { role: "assistant", content: "", refusal: null });
  assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("").slice(0, 3), "Par");
  assert.deepEqual(chunks.at(-2).choices, [{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }]);
  assert.deepEqual([chunks.at(-1).choices, chunks.at(-1).usage.prompt_tokens], [[], 8]);
  assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null));
  assert.match((await thrown(() => stream[Symbol.asyncIterator]())).message, /once only/);

  const plain = await all(await model.chat.completions.create({ messages, stream: true, max_tokens: 2 }));
  assert.ok(plain.every((chunk) => !("usage" in chunk)));
  await model.dispose();
});

test("options go to the engine by its names", async () => {
  const { model, asked } = await start();
  await model.chat.completions.create({
    messages: [
      { role: "developer", content: [{ type: "text", text: "Be" }, { type: "text", text: "brief" }] },
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello", refusal: null, annotations: [], tool_calls: null },
      { role: "user", content: "Go on" },
    ],
    max_tokens: 3,
    temperature: 0.5,
    top_p: 0.9,
    top_k: 5,
    min_p: 0.1,
    repetition_penalty: 1.1,
    presence_penalty: 1,
    frequency_penalty: -1,
    seed: 7,
    stop: ["x", "y"],
    n: null,
    user: "me",
    store: false,
    metadata: { a: "b" },
    tools: [],
    tool_choice: "none",
    response_format: { type: "text" },
  });
  const [{ prompt, options }] = asked;
  assert.deepEqual(prompt, [
    { role: "system", content: "Be\nbrief" },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
    { role: "user", content: "Go on" },
  ]);
  assert.deepEqual(options, {
    maxTokens: 3,
    temperature: 0.5,
    topP: 0.9,
    topK: 5,
    minP: 0.1,
    repetitionPenalty: 1.1,
    presencePenalty: 1,
    frequencyPenalty: -1,
    seed: 7,
    stop: ["x", "y"],
  });
  await model.dispose();
});

test("several choices come one after another, each by its own seed", async () => {
  const { model, asked } = await start();
  const { choices, usage } = await model.chat.completions.create({ messages, n: 3, seed: 5, max_tokens: 2 });
  assert.deepEqual(
    choices.map(({ index, message }) => [index, message.content]),
    [0, 1, 2].map((index) => [index, "Pa"]),
  );
  assert.deepEqual(
    asked.map(({ options }) => options.seed),
    [5, 6, 7],
  );
  assert.deepEqual([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens], [8, 6, 14]);
  const streamed = await all(await model.chat.completions.create({ messages, n: 2, max_tokens: 1, stream: true }));
  assert.deepEqual(
    streamed.map(({ choices: [{ index, delta }] }) => `${index}${delta.role ?? delta.content ?? "end"}`),
    ["0assistant", "0P", "0end", "1assistant", "1P", "1end"],
  );
  await model.dispose();
});

test("texts are continued, several prompts too, with an echo", async () => {
  const { model } = await start();
  const one = steady(await model.completions.create({ prompt: "In ", max_tokens: 5, echo: true }));
  assert.deepEqual(one.choices, [{ index: 0, text: "In Paris", logprobs: null, finish_reason: "length" }]);
  assert.equal(one.object, "text_completion");
  const several = await model.completions.create({ prompt: ["a", "bc"], n: 2, best_of: 2, max_tokens: 1 });
  assert.equal(several.choices.length, 4);
  assert.equal(several.usage.prompt_tokens, 3);
  const stream = await model.completions.create({ prompt: "In ", stream: true, echo: true, max_tokens: 2 });
  const chunks = await all(stream);
  assert.deepEqual(
    chunks.map(({ choices: [{ text, finish_reason }] }) => [text, finish_reason]),
    [
      ["In P", null],
      ["a", null],
      ["", "length"],
    ],
  );
  await model.dispose();
});

test("what can't be honoured is refused by its name", async () => {
  const { model, asked } = await start();
  const parameters = { type: "object", properties: {} };
  const cases = [
    [{ tools: [{ type: "function", function: { name: "f", parameters } }] }, "unsupported", "tools"],
    [{ tool_choice: "required" }, "unsupported", "tool_choice"],
    [{ response_format: { type: "json_object" } }, "unsupported", "response_format"],
    [{ audio: { voice: "x", format: "wav" } }, "unsupported", "audio"],
    [{ modalities: ["text", "audio"] }, "unsupported", "modalities"],
    [{ reasoning_effort: "high" }, "unsupported", "reasoning_effort"],
    [{ store: true }, "unsupported", "store"],
    [{ quantum: 1 }, "option", "quantum"],
    [{ temperature: "warm" }, "option", "temperature"],
    [{ n: 0 }, "option", "n"],
    [{ top_logprobs: 2 }, "option", "top_logprobs"],
    [{ logprobs: true, top_logprobs: 21 }, "option", "top_logprobs"],
    [{ max_tokens: 1, max_completion_tokens: 2 }, "option", "max_tokens"],
    [{ stream_options: { include_usage: true } }, "option", "stream_options"],
    [{ stream: true, stream_options: { include_obfuscation: true } }, "unsupported", "stream_options.include_obfuscation"],
    [{ logit_bias: { 5: "much" } }, "option", "logit_bias"],
    [{ messages: [] }, "option", "messages"],
    [{ messages: undefined }, "option", "messages"],
    [{ messages: [{ role: "tool", content: "1", tool_call_id: "x" }] }, "unsupported", "messages[0].role"],
    [{ messages: [{ role: "user", content: "a", name: "Ann" }] }, "unsupported", "messages[0].name"],
    [
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
      "unsupported",
      "messages[0].content[0].type",
    ],
  ];
  for (const [fields, code, param] of cases) {
    for (const stream of fields.stream_options ? [fields.stream] : [false, true]) {
      const error = await thrown(model.chat.completions.create({ messages, stream, ...fields }));
      assert.ok(error instanceof RequestError, `${param}: ${error}`);
      assert.deepEqual([error.code, error.param], [code, param], error.message);
      assert.ok(error.message.startsWith(`chat.completions.create: ${param} `), error.message);
    }
  }
  const texts = [
    [{ prompt: [1, 2] }, "option", "prompt"],
    [{ suffix: "end" }, "unsupported", "suffix"],
    [{ best_of: 3 }, "unsupported", "best_of"],
    [{ echo: true, logprobs: 1 }, "unsupported", "echo"],
  ];
  for (const [fields, code, param] of texts) {
    const error = await thrown(model.completions.create({ prompt: "a", ...fields }));
    assert.deepEqual([error.code, error.param], [code, param], error.message);
  }
  assert.match((await thrown(model.chat.completions.create({ messages }, { timeout: 5 }))).message, /timeout is not/);
  assert.equal(asked.length, 0);
  await model.dispose();
});

test("a signal throws, the stream's controller ends the loop, and so does leaving it", async () => {
  const { model, asked } = await start({ says: "x".repeat(1000), stepMs: 1 });
  const create = (options) => model.chat.completions.create({ messages, stream: true }, options);
  assert.equal((await thrown(create({ signal: AbortSignal.abort() }))).code, "aborted");

  const abort = new AbortController();
  const aborted = await thrown(async () => {
    for await (const _ of await create({ signal: abort.signal })) abort.abort();
  });
  assert.deepEqual([aborted.code, aborted.name], ["aborted", "AbortError"]);
  const whole = new AbortController();
  const given = model.chat.completions.create({ messages }, { signal: whole.signal });
  setTimeout(() => whole.abort(), 10);
  assert.equal((await thrown(given)).code, "aborted");

  const stream = await create();
  let seen = 0;
  for await (const _ of stream) if ((seen += 1) === 3) stream.controller.abort();
  assert.ok(seen < 6);
  for await (const _ of await create()) break;
  // All of them have ended: the next one gets its turn at once.
  const { choices } = await model.chat.completions.create({ messages, max_tokens: 1 });
  assert.equal(choices[0].message.content, "x");
  assert.ok(asked.length >= 4);
  await model.dispose();
});

test("OpenAI's client: whole, streamed, with its helpers", async () => {
  const { model } = await start();
  const client = clientOf(model);
  const answer = await client.chat.completions.create({ model: "any", messages, seed: 1 });
  assert.deepEqual(
    [answer.model, answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.total_tokens],
    ["any", "Paris is.", "stop", 17],
  );
  const stream = await client.chat.completions.create({
    model: "any",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await all(stream);
  assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), "Paris is.");
  assert.equal(chunks.at(-1).usage.completion_tokens, 9);

  const helper = client.chat.completions.stream({ model: "any", messages: [...messages, answer.choices[0].message] });
  const deltas = [];
  helper.on("content", (delta) => deltas.push(delta));
  assert.equal((await helper.finalChatCompletion()).choices[0].message.content, "Paris is.");
  assert.equal(deltas.join(""), "Paris is.");

  const text = await client.completions.create({ model: "any", prompt: "In ", max_tokens: 5 });
  assert.equal(text.choices[0].text, "Paris");
  const texts = await all(await client.completions.create({ model: "any", prompt: "In ", stream: true, max_tokens: 5 }));
  assert.equal(texts.map(({ choices }) => choices[0].text).join(""), "Paris");
  assert.deepEqual((await all(client.models.list())).map(({ id }) => id), ["oriel"]);
  await model.dispose();
});

test("OpenAI's client throws its own errors, by status, and does not try again in vain", async () => {
  const { model, faults, asked } = await start();
  const client = clientOf({ letters: Promise.resolve(model) });
  const chat = (fields, options) =>
    client.chat.completions.create({ model: "letters", messages, ...fields }, { maxRetries: 1, ...options });
  const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
  const refused = await thrown(chat({ tools }));
  assert.ok(refused instanceof OpenAI.BadRequestError);
  assert.deepEqual([refused.status, refused.param, refused.code], [400, "tools", "unsupported"]);
  assert.match(refused.message, /tools is .*supported/);

  const unknown = await thrown(chat({ model: "gpt-4" }));
  assert.ok(unknown instanceof OpenAI.NotFoundError);
  assert.deepEqual([unknown.code, unknown.param], ["model_not_found", "model"]);
  assert.match(unknown.message, /there are "letters"/);
  assert.ok((await thrown(client.models.retrieve("gpt-4"))) instanceof OpenAI.NotFoundError);
  assert.equal((await client.models.retrieve("letters")).owned_by, "oriel");
  const other = await thrown(client.embeddings.create({ model: "letters", input: "a" }));
  assert.ok(other instanceof OpenAI.NotFoundError);
  assert.match(other.message, /\/v1\/embeddings is not answered here; what is: \/v1\/chat\/completions/);

  for (const stream of [false, true]) {
    faults.start = { code: "context-full", message: "too long" };
    const full = await thrown(chat({ stream }));
    assert.deepEqual([full.status, full.code], [400, "context_length_exceeded"]);
    faults.start = { code: "device", message: "no" };
    const before = asked.length;
    assert.ok((await thrown(chat({ stream }))) instanceof OpenAI.InternalServerError);
    assert.equal(asked.length, before);
    delete faults.start;
  }
  // In mid-answer the status is sent already.
  const broken = await thrown(async () => {
    for await (const _ of await chat({ stream: true })) faults.next = { code: "device-lost", message: "it went away" };
  });
  assert.ok(broken instanceof OpenAI.APIError);
  assert.match(broken.message, /it went away/);
  delete faults.next;
  await model.dispose();
  assert.equal((await thrown(chat({}, { maxRetries: 0 }))).status, 500);
});

test("OpenAI's client gives up requests and streams", async () => {
  const { model } = await start({ says: "x".repeat(1000), stepMs: 1 });
  const client = clientOf(model);
  const abort = new AbortController();
  const given = client.chat.completions.create({ model: "any", messages }, { signal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  assert.ok((await thrown(given)) instanceof OpenAI.APIUserAbortError);
  const stream = await client.chat.completions.create({ model: "any", messages, stream: true });
  let seen = 0;
  for await (const _ of stream) if ((seen += 1) === 3) stream.controller.abort();
  assert.equal(seen, 3);
  for await (const _ of await client.chat.completions.create({ model: "any", messages, stream: true })) break;
  const next = await client.chat.completions.create({ model: "any", messages, max_tokens: 2 });
  assert.equal(next.choices[0].message.content, "xx");
  await model.dispose();
});

test("a fetch by hand: other methods, bodies and addresses", async () => {
  const { model } = await start();
  const fetch = createFetch({ a: model, b: model });
  const error = async (path, init) => {
    const response = await fetch(`https://oriel.invalid${path}`, init);
    const { error } = await response.json();
    return [response.status, error.type, error.code];
  };
  const invalid = "invalid_request_error";
  assert.deepEqual(await error("/v1/chat/completions"), [405, invalid, "method"]);
  assert.deepEqual(await error("/v1/models", { method: "POST" }), [405, invalid, "method"]);
  assert.deepEqual(await error("/v1/completions", { method: "POST", body: "{" }), [400, invalid, "invalid_json"]);
  assert.deepEqual(await error("/v1/completions", { method: "POST", body: "{}" }), [400, invalid, "option"]);
  assert.deepEqual(await error("/elsewhere", { method: "POST", body: "{}" }), [404, invalid, "unknown_url"]);
  const models = await (await fetch(new Request("https://oriel.invalid/deep/v1/models"))).json();
  assert.deepEqual(models.data.map(({ id, object }) => [id, object]), [["a", "model"], ["b", "model"]]);
  const reason = new Error("enough");
  const aborted = fetch("https://oriel.invalid/v1/models", { signal: AbortSignal.abort(reason) });
  assert.equal(await thrown(aborted), reason);
  assert.equal((await thrown(() => createFetch({}))).code, "option");
  await model.dispose();
});

/** A model that tells how likely its tokens were: `é` comes in two halves, and one alternative is half a character. */
function likelyModel(asked) {
  const top = [
    { token: 1, text: " Hi", logprob: -0.5 },
    { token: 9, text: "\uFFFD", logprob: -2 },
  ];
  const chunks = [
    { token: 1, text: "Hi", logprob: -0.5, topLogprobs: top },
    { token: 2, text: "", logprob: -3, topLogprobs: top },
    { token: 3, text: "é", logprob: -0.1, topLogprobs: [] },
  ];
  const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 3 };
  const result = Promise.resolve({ text: "Hié", finishReason: "stop", usage });
  return {
    info: { architecture: "likely" },
    // As a SentencePiece tokenizer: the first token loses its space.
    detokenize: async (tokens) => tokens.map((token) => ({ 2: "\uFFFD", 3: " x" })[token]).join("").trimStart(),
    generate(prompt, options) {
      asked.push(options);
      return Object.assign(chunks.values(), { result });
    },
  };
}

test("how likely tokens were is told in OpenAI's shape, with bytes, of a chat and of a text", async () => {
  const asked = [];
  const model = likelyModel(asked);
  const half = { token: "\uFFFD", logprob: -2, bytes: null };
  const hi = { token: " Hi", logprob: -0.5, bytes: [32, 72, 105] };
  const content = [
    { ...hi, top_logprobs: [hi, half] },
    { ...half, logprob: -3, top_logprobs: [hi, half] },
    { token: " x", logprob: -0.1, bytes: [32, 120], top_logprobs: [] },
  ];
  const body = { messages, logprobs: true, top_logprobs: 2, logit_bias: { 5: -100 } };
  const whole = await parts.chatCompletion(model, body);
  assert.deepEqual(whole.choices[0].logprobs, { content, refusal: null });
  assert.deepEqual([asked[0].logprobs, asked[0].topLogprobs, asked[0].logitBias], [true, 2, { 5: -100 }]);
  const streamed = await all(await parts.chatCompletion(model, { ...body, stream: true }));
  assert.deepEqual(streamed.flatMap(({ choices }) => choices[0].logprobs?.content ?? []), content);
  assert.equal(streamed.map(({ choices }) => choices[0].delta.content ?? "").join(""), "Hié");

  const expected = {
    tokens: [" Hi", "\uFFFD", " x"],
    token_logprobs: [-0.5, -3, -0.1],
    top_logprobs: [{ " Hi": -0.5, "\uFFFD": -2 }, { " Hi": -0.5, "\uFFFD": -3 }, { " x": -0.1 }],
    text_offset: [0, 3, 4],
  };
  const text = await parts.completion(model, { prompt: "a", logprobs: 2 });
  assert.deepEqual(text.choices[0].logprobs, expected);
  const chunks = await all(await parts.completion(model, { prompt: "a", logprobs: 2, stream: true }));
  assert.deepEqual(chunks.flatMap(({ choices }) => choices[0].logprobs?.text_offset ?? []), expected.text_offset);
});
