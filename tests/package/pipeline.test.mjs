// Hugging Face's pipeline over a stand-in for the model: what goes in, and the shape of what comes out.

import assert from "node:assert/strict";
import test from "node:test";
import { sources, thrown } from "./sources.mjs";

const index = `
export { OrielError } from "./errors.ts";
import { generateOptions } from "./options.ts";
export const seen = [];
export async function load(source, options) {
  seen.push({ source, options });
  const generate = (prompt, options) => {
    const { signal, ...rest } = generateOptions(options);
    seen.push(rest);
    return { result: Promise.resolve({ text: " world" + seen.length }) };
  };
  return { generate, dispose: async () => seen.push("disposed") };
}`;
const { pipeline, seen } = await sources(["pipeline", "index"], { index });

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

test("what can't be honoured throws", async () => {
  const generator = await pipeline("text-generation", "a/b");
  assert.match(
    (await thrown(generator("a", { num_beams: 4 }))).message,
    /num_beams is not an option; supported: do_sa/,
  );
  assert.match((await thrown(generator("a", { do_sample: "no" }))).message, /do_sample is no/);
  assert.match((await thrown(generator("a", { num_return_sequences: 0 }))).message, /num_return_sequences is 0/);
  assert.match((await thrown(generator("a", { num_return_sequences: 2, do_sample: false }))).message, /do_sample/);
  assert.match((await thrown(generator("a", { max_new_tokens: "x" }))).message, /maxTokens is "x"/);
});
