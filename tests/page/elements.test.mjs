// The adapters that have a face of their own in a page, over a real model on the processor: the pipeline.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { start } from "./browser.mjs";

const { server, open } = await start(after, { device: undefined });

const QUESTION = "What is the capital of France?";

test("the pipeline: transformers.js' lines stream what they return, and an interruption keeps what there is", async () => {
  const page = await open("blank.html");
  const { told, texts, streamed, full, plain, cut } = await page.evaluate(async (question) => {
    const { InterruptableStoppingCriteria, TextStreamer, pipeline } = await import("/oriel/pipeline.js");
    const told = [];
    const progress_callback = ({ status }) => told.includes(status) || told.push(status);
    const source = new URL("/models/demo.gguf", location.href).href;
    const generator = await pipeline("text-generation", source, { device: "wasm", progress_callback });
    const messages = [{ role: "user", content: question }];
    const texts = [];
    const options = { max_new_tokens: 32, do_sample: false };
    const callback_function = (text) => texts.push(text);
    const streamer = new TextStreamer(generator.tokenizer, { skip_prompt: true, callback_function });
    const [{ generated_text: turns }] = await generator(messages, { ...options, streamer });
    const plain = (await generator.model.generate(messages, { maxTokens: 32 }).result).text;
    const full = await generator(["The capital of France is", "One, two,"], { ...options, max_new_tokens: 3 });
    const stopping_criteria = new InterruptableStoppingCriteria();
    const interrupting = new TextStreamer(generator.tokenizer, {
      skip_prompt: true,
      callback_function: () => stopping_criteria.interrupt(),
    });
    const [{ generated_text: cut }] = await generator(messages, {
      ...{ ...options, streamer: interrupting, stopping_criteria, return_full_text: false },
    });
    await generator.dispose();
    return { told, texts, streamed: turns, full, plain, cut };
  }, QUESTION);
  assert.deepEqual(told, ["initiate", "download", "progress", "progress_total", "done", "ready"]);
  assert.match(plain, /Paris/);
  assert.deepEqual(streamed, [
    { role: "user", content: QUESTION },
    { role: "assistant", content: plain },
  ]);
  assert.ok(texts.length > 3, `it came in ${texts.length} pieces`);
  assert.equal(texts.join(""), plain);
  assert.match(full[0][0].generated_text, /^The capital of France is ./);
  assert.match(full[1][0].generated_text, /^One, two, ./);
  assert.ok(cut.length > 0 && cut.length < plain.length && plain.startsWith(cut), cut);
  await page.close();
});

test("everything came from the page's own server", () => {
  assert.ok(server.requests.includes("/oriel/pipeline.js"));
});
