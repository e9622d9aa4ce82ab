// The package in a page of its own: Hugging Face's three lines, checkpoints of several kinds, chats, and errors.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "./browser.mjs";

const golden = (name) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));

const hub = { "openai-community/gpt2": golden("gpt2"), "tiny/llama": golden("llama") };
const { server, open } = await start(after, { hub });
const page = await open("blank.html");
await page.evaluate(async (address) => {
  const [oriel, hugging] = await Promise.all(
    ["/oriel/index.js", "/oriel/pipeline.js"].map((module) => import(module)),
  );
  // SwiftShader is no GPU: by themselves they would take the processor.
  const load = (source, options) => oriel.load(source, { device: "webgpu", ...options });
  const pipeline = (task, source, options) => hugging.pipeline(task, source, { device: "webgpu", ...options });
  Object.assign(globalThis, { load, OrielError: oriel.OrielError, pipeline, hub: `${address}hub` });
}, server.address);

test("the classic three lines give what Hugging Face's give", async () => {
  const outcome = await page.evaluate(async () => {
    const generator = await pipeline("text-generation", "openai-community/gpt2", { hub });
    const prompt = "Hello, I'm a language model,";
    const greedy = { do_sample: false, max_new_tokens: 8 };
    const outputs = {
      one: await generator(prompt, greedy),
      again: await generator(prompt, greedy),
      fresh: await generator(prompt, { ...greedy, return_full_text: false }),
      several: await generator([prompt, "Once"], greedy),
      drawn: await generator(prompt, { seed: 7, max_new_tokens: 8, num_return_sequences: 2 }),
      redrawn: await generator(prompt, { seed: 7, max_new_tokens: 8, num_return_sequences: 2 }),
    };
    const info = generator.model.info;
    await generator.dispose();
    return { ...outputs, info };
  });
  const { one, again, fresh, several, drawn, redrawn, info } = outcome;
  assert.equal(info.architecture, "gpt2");
  assert.deepEqual(Object.keys(one[0]), ["generated_text"]);
  assert.ok(one[0].generated_text.startsWith("Hello, I'm a language model,"));
  assert.deepEqual(again, one);
  assert.equal("Hello, I'm a language model," + fresh[0].generated_text, one[0].generated_text);
  assert.deepEqual(several[0], one);
  assert.equal(several.length, 2);
  assert.equal(drawn.length, 2);
  assert.deepEqual(redrawn, drawn);
  const asked = server.requests.filter((path) => path.startsWith("/hub/"));
  assert.ok(asked.includes("/hub/api/models/openai-community/gpt2/tree/main"));
});

test("activations of 16 and 8 bits meet a matrix of q8 in the browser's own compiler", async () => {
  const all = await page.evaluate(async () => {
    const found = {};
    for (const activations of ["f32", "int16", "int8"]) {
      const options = { hub, precision: "q8", activations, tuning: "start" };
      const model = await load("hf:openai-community/gpt2", options);
      const { result } = model.generate("The quick brown fox jumps over the lazy dog", { maxTokens: 8, ignoreEos: true });
      found[activations] = { tokens: (await result).tokens, tile: model.tuning.matmul.usual, device: model.info.device };
      await model.dispose();
    }
    return found;
  });
  assert.deepEqual([all.f32.tile, all.int16.tile, all.int8.tile], ["lane", "lane int16", "lane int8"]);
  assert.equal(all.int8.device, "webgpu");
  assert.deepEqual(all.int16.tokens, all.f32.tokens);
  assert.equal(all.int8.tokens.length, 8);
});

test("the GPU and the processor in the browser give the same tokens", async () => {
  const both = await page.evaluate(async () => {
    const tokens = [];
    for (const device of ["webgpu", "cpu"]) {
      const model = await load("hf:openai-community/gpt2", { hub, device, precision: "f32" });
      const { result } = model.generate("The quick brown fox", { maxTokens: 24, ignoreEos: true });
      const { backend, subgroups } = model.info.adapter;
      tokens.push({ tokens: (await result).tokens, backend, subgroups });
      await model.dispose();
    }
    return tokens;
  });
  assert.equal(both[0].tokens.length, 24);
  assert.deepEqual(both[1].tokens, both[0].tokens);
  assert.deepEqual([both[0].backend, both[1].backend], ["BrowserWebGpu", "cpu"]);
  // Chromium's SwiftShader has them, and the worker asks for them.
  assert.deepEqual([both[0].subgroups, both[1].subgroups], [true, false]);
});

test("log-probabilities, biases and refusals of options are the same on both devices", async () => {
  const both = await page.evaluate(async () => {
    const outcomes = [];
    for (const device of ["webgpu", "cpu"]) {
      const model = await load("hf:openai-community/gpt2", { hub, device, precision: "f32" });
      const chunks = async (options) => {
        const all = [];
        const run = model.generate("The quick", { maxTokens: 3, ignoreEos: true, ...options });
        for await (const chunk of run) all.push(chunk);
        return all;
      };
      const told = await chunks({ topLogprobs: 4 });
      const texts = await Promise.all(told[0].topLogprobs.map(({ token }) => model.detokenize([token])));
      const biased = await chunks({ logprobs: true, logitBias: { [told[0].token]: -100 } });
      const refused = [];
      for (const options of [{ topP: 1.5 }, { topLogprobs: 21 }, { logitBias: { 7: 101 } }, { logitBias: { 999999: 1 } }]) {
        const error = await chunks(options).catch((error) => error);
        refused.push([error.code, error.message]);
      }
      const plain = await chunks({});
      const tokens = await model.tokenize("The quick");
      const again = await model.generate(tokens, { maxTokens: 3, ignoreEos: true }).result;
      refused.push(await model.generate([999999]).result.catch(({ code, message }) => [code, message]));
      const same = again.usage.promptTokens === tokens.length;
      outcomes.push({ told, texts, biased, refused, plain, again: [again.tokens, same] });
      await model.dispose();
    }
    return outcomes;
  });
  for (const { told, texts, biased, refused, plain, again } of both) {
    assert.deepEqual(again, [plain.map(({ token }) => token), true], "a prompt of tokens is the text that they are of");
    assert.deepEqual(Object.keys(plain[0]).sort(), ["text", "token"]);
    assert.deepEqual(
      told.map(({ token }) => token),
      plain.map(({ token }) => token),
    );
    for (const { token, logprob, topLogprobs } of told) {
      assert.deepEqual([topLogprobs.length, topLogprobs[0].token, topLogprobs[0].logprob], [4, token, logprob]);
    }
    assert.deepEqual(
      told[0].topLogprobs.map(({ text }) => text),
      texts,
    );
    const [, second] = told[0].topLogprobs;
    assert.deepEqual([biased[0].token, biased[0].topLogprobs], [second.token, []]);
    // Told of two passes, whose sums may be added up in another order.
    assert.ok(Math.abs(biased[0].logprob - second.logprob) < 1e-5);
    assert.deepEqual(
      refused.map(([code]) => code),
      Array(5).fill("option"),
    );
    assert.deepEqual(
      refused.map(([, message]) => message.split(" ", 1)[0]),
      ["topP", "topLogprobs", "logitBias", "logitBias", "token"],
    );
  }
  const [gpu, cpu] = both.map(({ told }) => told.flatMap(({ topLogprobs }) => topLogprobs));
  assert.deepEqual(
    gpu.map(({ token }) => token),
    cpu.map(({ token }) => token),
  );
  for (const [place, { logprob }] of gpu.entries()) assert.ok(Math.abs(logprob - cpu[place].logprob) < 1e-3);
});

test("kernels are measured at the first load, kept by the browser, shown, and forced", async () => {
  const seen = await page.evaluate(async () => {
    await caches.delete("oriel-tuning");
    const outcomes = [];
    const run = async (tuning) => {
      const model = await load("hf:tiny/llama", { hub, tuning });
      const { tokens } = await model.generate("Hi", { maxTokens: 6, ignoreEos: true }).result;
      outcomes.push({ tuning: model.tuning, tuned: model.info.tuned, notice: model.info.notice, tokens });
      await model.dispose();
      return model.tuning;
    };
    for (const tuning of ["start", "auto", "auto"]) await run(tuning);
    await run(outcomes[1].tuning);
    const refused = [{ matvec: { usual: "3" } }, { matvek: {} }].map((tuning) =>
      load("hf:tiny/llama", { hub, tuning }).catch(({ name, code, message }) => ({ name, code, message })),
    );
    return { outcomes, refused: await Promise.all(refused) };
  });
  const [start, first, second, forced] = seen.outcomes;
  assert.deepEqual(
    seen.outcomes.map(({ tuned, notice }) => [tuned, notice]),
    [false, true, false, false].map((tuned) => [tuned, null]),
  );
  assert.deepEqual(start.tuning.matvec.shapes, {});
  assert.ok(Object.keys(first.tuning.matvec.shapes).length > 0 && /swiftshader/i.test(first.tuning.adapter));
  assert.deepEqual([second.tuning, forced.tuning], [first.tuning, first.tuning]);
  for (const { tokens } of seen.outcomes) assert.deepEqual(tokens, start.tokens);
  for (const { name, code, message } of seen.refused) {
    assert.deepEqual([name, code], ["OrielError", "option"]);
    assert.match(message, /^tuning: .*supported: /);
  }
});

test("a checkpoint in several files comes by its index: from a hub, from an address, from files", async () => {
  const names = readdirSync(golden("llama"));
  const texts = await page.evaluate(
    async ({ names }) => {
      const base = `${hub}/tiny/llama/resolve/main/`;
      const fetched = names.map(async (name) => new File([await (await fetch(base + name)).blob()], name));
      const files = (await Promise.all(fetched)).reverse();
      const texts = [];
      for (const source of ["hf:tiny/llama", base, files]) {
        const phases = [];
        const model = await load(source, { hub, onProgress: ({ phase }) => phases.push(phase) });
        const { text } = await model.generate("Hi", { maxTokens: 6, ignoreEos: true }).result;
        texts.push({ text, ready: phases.at(-1), verified: phases.filter((phase) => phase === "verify").length });
        await model.dispose();
      }
      return texts;
    },
    { names },
  );
  const shards = names.filter((name) => name.endsWith(".safetensors")).length;
  for (const { text, ready, verified } of texts) {
    assert.deepEqual([text, ready, verified], [texts[0].text, "ready", shards]);
  }
});

test("the demo model from bytes: tokens, text, templates, and a chat that computes only what is new", async () => {
  const outcome = await page.evaluate(async () => {
    const gguf = await (await fetch("/models/demo.gguf")).arrayBuffer();
    const model = await load(gguf, { context: 256 });
    const tokens = await model.tokenize("Hello, wörld 🌍");
    const messages = [{ role: "user", content: "Hi" }];
    const chat = model.session({ system: "Be brief." });
    const first = await chat.send("Hi", { maxTokens: 2 }).result;
    const second = await chat.send("And?", { maxTokens: 1 }).result;
    const outcome = {
      turns: [first.usage, second.usage],
      said: chat.messages.map(({ role }) => role),
      tokens,
      text: await model.detokenize(tokens),
      templates: [
        await model.applyTemplate(messages),
        await model.applyTemplate(messages, { addGenerationPrompt: false }),
      ],
      context: model.info.context,
    };
    await model[Symbol.asyncDispose]();
    return outcome;
  });
  assert.equal(outcome.text, "Hello, wörld 🌍");
  assert.ok(outcome.tokens.length > 4);
  assert.ok(outcome.templates[0].startsWith(outcome.templates[1]));
  assert.match(outcome.templates[0], /<\|im_start\|>user\nHi<\|im_end\|>\n<\|im_start\|>assistant\n$/);
  assert.equal(outcome.context, 256);
  const [first, second] = outcome.turns;
  assert.equal(first.cachedTokens, 0);
  assert.ok(second.cachedTokens >= first.promptTokens && second.cachedTokens < second.promptTokens);
  assert.deepEqual(outcome.said, ["system", "user", "assistant", "user", "assistant"]);
});

test("errors are OrielErrors with codes", async () => {
  const codes = await page.evaluate(async () => {
    const code = async (action) => {
      try {
        await action();
        return "none";
      } catch (error) {
        return error instanceof OrielError ? error.code : String(error);
      }
    };
    const model = await load("hf:openai-community/gpt2", { hub });
    const codes = {
      absent: await code(() => load("hf:nobody/nothing", { hub })),
      option: await code(() => load("hf:openai-community/gpt2", { hub, quantize: true })),
      longContext: await code(() => load("hf:openai-community/gpt2", { hub, context: 1e6 })),
      range: await code(() => model.generate("a", { topP: 3 }).result),
      full: await code(() => model.generate("a ".repeat(400)).result),
      template: await code(() => model.session().send("Hi").result),
      aborted: await code(() => load("hf:openai-community/gpt2", { hub, signal: AbortSignal.abort() })),
      unreachable: await code(() => load("http://127.0.0.1:9/model.gguf")),
    };
    await model.dispose();
    return { ...codes, disposed: await code(() => model.generate("a").result) };
  });
  assert.deepEqual(codes, {
    absent: "not-found",
    option: "option",
    longContext: "option",
    range: "option",
    full: "context-full",
    template: "template",
    aborted: "aborted",
    unreachable: "network",
    disposed: "disposed",
  });
});

test("a full context ends with `length`", async () => {
  const { finishReason, usage, context } = await page.evaluate(async () => {
    const model = await load("hf:openai-community/gpt2", { hub, context: 20 });
    const result = await model.generate("a b c", { ignoreEos: true }).result;
    await model.dispose();
    return { ...result, context: model.info.context };
  });
  assert.equal(finishReason, "length");
  assert.equal(usage.promptTokens + usage.completionTokens, context + 1);
});
