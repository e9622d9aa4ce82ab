// OpenAI's client and the AI SDK in a page, over a real model on the processor: what they get is what `generate` gives.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { start } from "./browser.mjs";
import { clients } from "./clients.mjs";

const { server, open } = await start(after, { instead: { "/clients.js": await clients() }, device: undefined });
const page = await open("blank.html");
const asked = [];
page.on("request", (request) => asked.push(request.url()));

const expected = await page.evaluate(async () => {
  const names = await import("/clients.js");
  Object.assign(globalThis, names);
  globalThis.model = await load("/models/demo.gguf", { device: "cpu" });
  globalThis.messages = [{ role: "user", content: "What is the capital of France?" }];
  globalThis.client = new OpenAI({
    apiKey: "-",
    baseURL: "https://oriel.invalid/v1",
    fetch: createFetch(model),
    dangerouslyAllowBrowser: true,
  });
  globalThis.collected = async (chunks) => {
    const list = [];
    for await (const chunk of chunks) list.push(chunk);
    return list;
  };
  const outcomes = {};
  for (const maxTokens of [64, 4]) outcomes[maxTokens] = await model.generate(messages, { maxTokens }).result;
  return outcomes;
});

/** What an answer in OpenAI's shape is to have, by the most tokens that it may take. */
function assertSame({ text, finishReason, usage }, most) {
  const { promptTokens, completionTokens } = expected[most].usage;
  assert.deepEqual([text, finishReason], [expected[most].text, expected[most].finishReason]);
  const { cached_tokens: cached } = usage.prompt_tokens_details;
  assert.ok(cached > 0 && cached < promptTokens, `${cached} of ${promptTokens} tokens came from the cache`);
  assert.deepEqual(
    [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
    [promptTokens, completionTokens, promptTokens + completionTokens],
  );
}

test("the model answers", () => {
  assert.match(expected[64].text, /Paris/);
  assert.deepEqual([expected[64].finishReason, expected[4].finishReason], ["stop", "length"]);
});

for (const whose of ["the model itself", "OpenAI's client"]) {
  test(`${whose}: whole and streamed, to the end and cut short`, async () => {
    const outcomes = await page.evaluate(async (whose) => {
      const { chat } = whose === "OpenAI's client" ? client : model;
      const list = [];
      for (const most of [64, 4]) {
        const body = { model: "demo", messages, temperature: 0, max_completion_tokens: most };
        const whole = await chat.completions.create(body);
        const [{ message, finish_reason }] = whole.choices;
        list.push([most, { text: message.content, finishReason: finish_reason, usage: whole.usage }]);
        const stream = await chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } });
        const chunks = await collected(stream);
        const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
        const reasons = chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? []);
        list.push([most, { text, finishReason: reasons.join(), usage: chunks.at(-1).usage }]);
      }
      return list;
    }, whose);
    for (const [most, outcome] of outcomes) assertSame(outcome, most);
  });
}

test("a text is continued as `generate` continues it", async () => {
  const { plain, whole, streamed, own } = await page.evaluate(async () => {
    const prompt = "The capital of France is";
    const body = { model: "demo", prompt, max_tokens: 8 };
    const plain = (await model.generate(prompt, { maxTokens: 8 }).result).text;
    const whole = (await client.completions.create(body)).choices[0].text;
    const own = (await model.completions.create(body)).choices[0].text;
    const chunks = await collected(await client.completions.create({ ...body, stream: true }));
    return { plain, whole, own, streamed: chunks.map(({ choices }) => choices[0].text).join("") };
  });
  assert.ok(plain.length > 0);
  assert.deepEqual([whole, streamed, own], [plain, plain, plain]);
});

test("sampling by a seed, stop strings and several choices are those of `generate`", async () => {
  const { plain, drawn, stopped } = await page.evaluate(async () => {
    const drawing = { temperature: 1.2, seed: 11 };
    const plain = [];
    for (const seed of [11, 12]) {
      plain.push((await model.generate(messages, { ...drawing, seed, maxTokens: 12 }).result).text);
    }
    const several = await client.chat.completions.create({ model: "d", messages, ...drawing, n: 2, max_tokens: 12 });
    const drawn = several.choices.map(({ message }) => message.content);
    const stop = await client.chat.completions.create({ model: "d", messages, stop: "Paris" });
    return { plain, drawn, stopped: stop.choices[0] };
  });
  assert.deepEqual(drawn, plain);
  assert.notEqual(drawn[0], drawn[1]);
  assert.equal(stopped.finish_reason, "stop");
  assert.equal(stopped.message.content, expected[64].text.slice(0, expected[64].text.indexOf("Paris")));
});

test("log-probabilities, biases and prompts of tokens are those of `generate`", async () => {
  const { chunks, whole, streamed, biased, again } = await page.evaluate(async () => {
    const asking = { logprobs: true, topLogprobs: 3, maxTokens: 4 };
    const chunks = await collected(model.generate(messages, asking));
    const body = { model: "demo", messages, logprobs: true, top_logprobs: 3, max_completion_tokens: 4 };
    const whole = (await model.chat.completions.create(body)).choices[0];
    const stream = await collected(await client.chat.completions.create({ ...body, stream: true }));
    const streamed = stream.flatMap(({ choices }) => choices[0].logprobs?.content ?? []);
    const logit_bias = { [chunks[0].token]: -100 };
    const biased = (await model.chat.completions.create({ ...body, logit_bias })).choices[0].logprobs.content;
    const text = "The capital of France is";
    const again = [];
    for (const prompt of [text, await model.tokenize(text)]) {
      again.push((await model.generate(prompt, { maxTokens: 6 }).result).text);
    }
    return { chunks, whole, streamed, biased, again };
  });
  const { content } = whole.logprobs;
  assert.equal(content.map(({ token }) => token).join(""), whole.message.content);
  assert.deepEqual(streamed, content);
  assert.equal(content.length, 4);
  for (const [place, { logprob, topLogprobs }] of chunks.entries()) {
    assert.equal(content[place].logprob, logprob);
    assert.ok(logprob <= 0 && logprob === topLogprobs[0].logprob, "the likeliest is taken");
    assert.deepEqual(
      content[place].top_logprobs.map(({ token, logprob }) => [token, logprob]),
      topLogprobs.map(({ text, logprob }) => [text, logprob]),
    );
  }
  const [, second] = content[0].top_logprobs;
  assert.deepEqual([biased[0].token, biased[0].logprob], [second.token, second.logprob]);
  assert.equal(again[1], again[0]);
});

test("a tool is refused clearly, an abort ends an answer", async () => {
  const { refused, given, after } = await page.evaluate(async () => {
    const body = { model: "demo", messages };
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
    const refused = await client.chat.completions.create({ ...body, tools }).catch((error) => ({
      typed: error instanceof OpenAI.BadRequestError,
      param: error.param,
      message: error.message,
    }));
    const abort = new AbortController();
    const created = client.chat.completions.create({ ...body, stream: true }, { signal: abort.signal });
    let given = 0;
    for await (const _ of await created) {
      given += 1;
      if (given === 4) abort.abort();
    }
    const next = await client.chat.completions.create({ ...body, max_tokens: 4 });
    return { refused, given, after: next.choices[0].message.content };
  });
  assert.deepEqual([refused.typed, refused.param], [true, "tools"]);
  assert.match(refused.message, /tools is \[.*supported/);
  assert.equal(given, 4);
  assert.equal(after, expected[4].text);
});

test("the AI SDK: whole and streamed the same text, usage and reason; a tool is refused", async () => {
  const { outcomes, refused } = await page.evaluate(async () => {
    const oriel = createOriel({ device: "cpu" });
    const prompt = messages[0].content;
    const outcomes = [];
    for (const most of [64, 4]) {
      const call = { model: oriel(model), prompt, maxOutputTokens: most, temperature: 0 };
      const { text, finishReason, usage } = await generateText(call);
      outcomes.push([most, { text, finishReason, usage }]);
      const streamed = streamText(call);
      const told = (await collected(streamed.textStream)).join("");
      outcomes.push([most, { text: told, finishReason: await streamed.finishReason, usage: await streamed.usage }]);
    }
    const weather = tool({ description: "w", inputSchema: jsonSchema({ type: "object", properties: {} }) });
    const refused = await generateText({ model: oriel(model), prompt, tools: { weather } }).catch(
      ({ name, functionality, message }) => ({ name, functionality, message }),
    );
    return { outcomes, refused };
  });
  for (const [most, { text, finishReason, usage }] of outcomes) {
    const { promptTokens, completionTokens } = expected[most].usage;
    assert.deepEqual([text, finishReason], [expected[most].text, expected[most].finishReason]);
    assert.deepEqual([usage.inputTokens, usage.outputTokens], [promptTokens, completionTokens]);
    assert.ok(usage.inputTokenDetails.cacheReadTokens > 0);
  }
  assert.deepEqual([refused.name, refused.functionality], ["AI_UnsupportedFunctionalityError", "tools (weather)"]);
});

test("the AI SDK's provider loads a source by itself", async () => {
  const text = await page.evaluate(async () => {
    const provider = createOriel({ device: "cpu" });
    const source = new URL("/models/demo.gguf", location.href).href;
    const prompt = messages[0].content;
    const { text } = await generateText({ model: provider(source), prompt, maxOutputTokens: 4 });
    await provider.dispose();
    return text;
  });
  assert.equal(text, expected[4].text);
});

test("no request left for another host", () => {
  assert.ok(asked.length > 3);
  assert.deepEqual(
    asked.filter((url) => !url.startsWith(server.address) && !url.startsWith("blob:")),
    [],
  );
});
