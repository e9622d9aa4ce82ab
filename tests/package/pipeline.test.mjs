// Hugging Face's pipeline over a stand-in for the model: what goes in, and the shape of what comes out.

import assert from "node:assert/strict";
import test from "node:test";
import { sources, thrown } from "./sources.mjs";

const index = `
export { OrielError } from "./errors.ts";
import { toOrielError } from "./errors.ts";
import { generateOptions } from "./options.ts";
export const seen = [];
export let progress;
export async function load(source, options) {
  seen.push({ source, options });
  progress = options.onProgress;
  const generate = (prompt, options) => {
    const { signal, ...rest } = generateOptions(options);
    seen.push(rest);
    const chunks = [[7, " wor"], [8, "ld"], [9, ""]].map(([token, text]) => ({ token, text }));
    let stopped = false;
    return {
      stop: () => { stopped = true; },
      get result() {
        if (signal?.aborted) return Promise.reject(signal.reason);
        return Promise.resolve({ text: stopped ? " wor" : " world" + seen.length });
      },
      async *[Symbol.asyncIterator]() {
        for (const chunk of chunks) {
          if (stopped && chunk.token > 7) return;
          yield chunk;
        }
      },
    };
  };
  const applyTemplate = async (messages) => "<" + messages.map(({ content }) => content).join("|") + ">";
  const tokenize = async (text) => Array.from(text, (letter) => letter.codePointAt(0));
  const detokenize = async (tokens) => String.fromCodePoint(...tokens);
  return { generate, applyTemplate, tokenize, detokenize, dispose: async () => seen.push("disposed") };
}`;
const module = await sources(["pipeline", "index"], { index });
const { InterruptableStoppingCriteria, OrielError, TextStreamer, pipeline, seen } = module;

test("a bare name is the hub's; anything else goes to load as it is", async () => {
  await pipeline("text-generation", "openai-community/gpt2", { hub: "https://hub.test" });
  assert.deepEqual(seen.at(-1), { source: "hf:openai-community/gpt2", options: { hub: "https://hub.test" } });
  const blob = new Blob([]);
  await pipeline("text-generation", blob);
  assert.equal(seen.at(-1).source, blob);
  await pipeline("text-generation", "https://site.test/m.gguf");
  assert.equal(seen.at(-1).source, "https://site.test/m.gguf");
  for (const path of ["models/m.gguf", "./gpt2", "../gpt2"]) {
    await pipeline("text-generation", path);
    assert.equal(seen.at(-1).source, path);
  }
  assert.match((await thrown(pipeline("summarization", "a/b"))).message, /"summarization" is not supported/);
});

test("each kind of input has its own shape of answer", async () => {
  const generator = await pipeline("text-generation", "a/b");
  const fresh = { return_full_text: false };
  const [{ generated_text: full }] = await generator("Hello");
  assert.match(full, /^Hello world\d+$/);
  assert.match((await generator("Hello", fresh))[0].generated_text, /^ world\d+$/);
  const several = await generator(["a", "b"]);
  assert.deepEqual(
    several.map(([{ generated_text }]) => generated_text[0]),
    ["a", "b"],
  );
  const chat = [{ role: "user", content: "Hi" }];
  const [{ generated_text: turns }] = await generator(chat);
  assert.deepEqual(
    turns.map(({ role }) => role),
    ["user", "assistant"],
  );
  assert.equal((await generator([chat, chat])).length, 2);
  assert.equal((await generator("a", { num_return_sequences: 3 })).length, 3);
});

test("options are Hugging Face's, with its defaults", async () => {
  const generator = await pipeline("text-generation", "a/b");
  await generator("a");
  assert.deepEqual(seen.at(-1), { maxTokens: 256, temperature: 0.7, topK: 50 });
  await generator("a", { do_sample: false, max_new_tokens: 3, repetition_penalty: 1.1, stop_strings: "." });
  assert.deepEqual(seen.at(-1), { temperature: 0, maxTokens: 3, repetitionPenalty: 1.1, stop: "." });
  await generator("a", { num_return_sequences: 2, seed: 5, top_k: undefined });
  assert.deepEqual(
    seen.slice(-2).map(({ seed, topK }) => [seed, topK]),
    [
      [5, 50],
      [6, 50],
    ],
  );
});

test("a load is asked for in transformers.js' words", async () => {
  await pipeline("text-generation", "a/b", { device: "wasm", dtype: "fp16", context: 512 });
  assert.deepEqual(seen.at(-1).options, { device: "cpu", precision: "f16", context: 512 });
  await pipeline("text-generation", "a/b", { device: "gpu", dtype: "auto" });
  assert.deepEqual(seen.at(-1).options, { device: "webgpu", precision: "auto" });
  for (const [options, message] of [
    [{ device: "cuda" }, /device is "cuda"; expected "auto", "webgpu"/],
    [{ dtype: "q4f16" }, /dtype is "q4f16"; expected "auto", "fp32"/],
    [{ dtype: { model: "q4" } }, /dtype is a Object/],
    [{ progress_callback: 5 }, /progress_callback is 5; expected a function/],
    [null, /expected an object of options, found null/],
    [{ dtype: "q4", precision: "q4" }, /dtype and precision are the same/],
  ]) {
    const error = await thrown(pipeline("text-generation", "a/b", options));
    assert.deepEqual([error instanceof OrielError, error.code], [true, "option"]);
    assert.match(error.message, message);
  }
});

test("progress comes as transformers.js tells it", async () => {
  const told = [];
  await pipeline("text-generation", "a/b", { progress_callback: (info) => told.push(info) });
  module.progress({ phase: "fetch", loaded: 5, total: 20 });
  module.progress({ phase: "upload", loaded: 5, total: 20 });
  module.progress({ phase: "fetch", loaded: 6, total: null });
  module.progress({ phase: "compile", loaded: 0, total: 1 });
  module.progress({ phase: "compile", loaded: 1, total: 1 });
  module.progress({ phase: "ready", loaded: 20, total: 20 });
  const of = { name: "a/b", file: "b" };
  const [quarter, some] = [
    { loaded: 5, total: 20 },
    { loaded: 6, total: 0 },
  ];
  assert.deepEqual(told, [
    { status: "initiate", ...of },
    { status: "download", ...of },
    { status: "progress", ...of, progress: 25, ...quarter },
    { status: "progress_total", name: "a/b", progress: 25, ...quarter, files: { b: quarter } },
    { status: "progress", ...of, progress: 0, ...some },
    { status: "progress_total", name: "a/b", progress: 0, ...some, files: { b: some } },
    { status: "done", ...of },
    { status: "ready", task: "text-generation", model: "a/b" },
  ]);
});

test("a streamer hears the prompt, unless it is skipped, and the answer as it comes", async () => {
  const generator = await pipeline("text-generation", "a/b");
  const heard = async (prompt, options = {}) => {
    const [texts, tokens] = [[], []];
    const streamer = new TextStreamer(generator.tokenizer, {
      callback_function: (text) => texts.push(text),
      token_callback_function: (some) => tokens.push(...some),
      ...options,
    });
    const [{ generated_text: whole }] = await generator(prompt, { streamer, do_sample: false });
    return { texts, tokens, whole };
  };
  const plain = await heard("Hi");
  assert.equal(plain.texts.join(""), plain.whole);
  assert.deepEqual(plain.texts.slice(0, 3), ["Hi", " wor", "ld"]);
  assert.deepEqual(plain.tokens, [72n, 105n, 7n, 8n, 9n]);
  const skipped = await heard("Hi", { skip_prompt: true, skip_special_tokens: true });
  assert.equal("Hi" + skipped.texts.join(""), skipped.whole);
  assert.deepEqual(skipped.tokens, [7n, 8n, 9n]);
  const chat = await heard([{ role: "user", content: "Hi" }]);
  assert.deepEqual(chat.texts.slice(0, 2), ["<Hi>", " wor"]);
  const last = [];
  class Own extends TextStreamer {
    on_finalized_text(text, end) {
      last.push([text, end]);
    }
  }
  await generator("Hi", { streamer: new Own(generator.tokenizer, { skip_prompt: true }) });
  assert.deepEqual(last.map(([, end]) => end), [false, false, true]);
});

test("an interruption ends an answer and keeps what there is; an abort throws", async () => {
  const generator = await pipeline("text-generation", "a/b");
  const stopping_criteria = new InterruptableStoppingCriteria();
  const streamer = new TextStreamer(generator.tokenizer, {
    skip_prompt: true,
    callback_function: () => stopping_criteria.interrupt(),
  });
  const [{ generated_text: text }] = await generator("Hi", { streamer, stopping_criteria });
  assert.equal(text, "Hi wor");
  assert.equal((await generator("Hi", { stopping_criteria }))[0].generated_text, "Hi wor");
  assert.equal(stopping_criteria.interrupted, true);
  stopping_criteria.reset();
  assert.match((await generator("Hi", { stopping_criteria }))[0].generated_text, /^Hi world/);
  const reason = new Error("enough");
  assert.equal(await thrown(generator("Hi", { signal: AbortSignal.abort(reason) })), reason);
});

test("a conversation's answer alone is a text; the tokenizer is the model's", async () => {
  const generator = await pipeline("text-generation", "a/b");
  const chat = [{ role: "user", content: "Hi" }];
  assert.match((await generator(chat, { return_full_text: false }))[0].generated_text, /^ world/);
  assert.deepEqual(await generator.tokenizer.encode("Hi"), [72, 105]);
  assert.equal(await generator.tokenizer.decode([72n, 105]), "Hi");
  assert.equal(await generator.tokenizer.apply_chat_template(chat), "<Hi>");
  await generator.dispose();
  assert.equal(seen.at(-1), "disposed");
});

test("what can't be honoured throws", async () => {
  const generator = await pipeline("text-generation", "a/b");
  const { tokenizer } = generator;
  const streamer = new TextStreamer(tokenizer);
  for (const [options, message] of [
    [{ num_beams: 4 }, /num_beams is not an option; supported: max_new_tokens, do_sample/],
    [{ tools: [] }, /tools is not an option/],
    [{ do_sample: "no" }, /do_sample is "no"; expected true or false/],
    [{ return_full_text: 0 }, /return_full_text is 0; expected true or false/],
    [{ num_return_sequences: 0 }, /num_return_sequences is 0/],
    [{ num_return_sequences: 2, do_sample: false }, /do_sample/],
    [{ num_return_sequences: 2, streamer }, /a streamer tells of one answer, and 2 are asked for/],
    [{ max_new_tokens: "5" }, /max_new_tokens is "5"; expected a whole number/],
    [{ top_k: null }, /top_k is null/],
    [{ temperature: NaN }, /temperature is NaN; expected a number/],
    [{ streamer: { put() {}, end() {} } }, /streamer is a Object; expected a TextStreamer/],
    [{ stopping_criteria: () => true }, /stopping_criteria is .*; expected an InterruptableStoppingCriteria/],
    [[], /expected an object of options/],
  ]) {
    assert.match((await thrown(generator("a", options))).message, message);
  }
  for (const input of [undefined, 5, [], ["a", 5], [["a"]], [{ role: "user" }], { role: "user", content: "a" }]) {
    const error = await thrown(generator(input));
    assert.deepEqual([error.code, /not empty/.test(error.message)], ["option", true]);
  }
  const both = await thrown(generator(["a", "b"], { streamer }));
  assert.match(both.message, /2 are asked for/);
  for (const options of [{ skip_special_tokens: false }, { skip_prompt: 1 }, { decode_kwargs: {} }]) {
    assert.equal((await thrown(() => new TextStreamer(tokenizer, options))).code, "option");
  }
});
