// The page's end and the worker's end, joined by a channel, over an engine that counts: queues, stops, aborts, frees.

import assert from "node:assert/strict";
import test from "node:test";
import { MIB, OrielError, join } from "./counting.mjs";
import { thrown } from "./sources.mjs";

test("a file goes in small pieces, settled now and then, with progress in order", async () => {
  const { engine, client, load } = join();
  const progress = [];
  const info = await load({ onProgress: (report) => progress.push(report) }, new Blob([new Uint8Array(70 * MIB)]));
  const place = { device: "webgpu", deviceReason: "there is one", notice: null };
  assert.deepEqual(info, { adapter: { name: "card", kind: "other" }, ...place, wasmBytes: 7, processorBytes: 0 });
  assert.equal(engine.pushed, 70 * MIB);
  assert.ok(engine.log.filter((what) => what === "settle").length >= 3);
  assert.deepEqual(engine.log.slice(0, 2), ["open", `begin m.gguf ${70 * MIB}`]);

  const phases = progress.map(({ phase }) => phase).filter((phase, place, all) => phase !== all[place - 1]);
  assert.deepEqual(phases.slice(-4), ["upload", "verify", "compile", "ready"]);
  for (const phase of ["fetch", "upload"]) {
    const loaded = progress.filter((report) => report.phase === phase).map((report) => report.loaded);
    assert.deepEqual(
      loaded,
      loaded.toSorted((a, b) => a - b),
    );
    assert.equal(loaded.at(-1), 70 * MIB);
  }
  assert.ok(progress.every(({ source, total }) => source === "file" && total !== null));
  await client.close(new OrielError("disposed", ""));
});

test("a generation streams, and comes to a result", async () => {
  const model = await join().model();
  const run = model.generate("x", { maxTokens: 3 });
  const chunks = [];
  for await (const chunk of run) chunks.push(chunk.text);
  assert.deepEqual(chunks, ["a", "b", "c"]);
  const { usage, ...result } = await run.result;
  assert.deepEqual(result, { text: "abc", tokens: [0, 1, 2], finishReason: "length" });
  assert.equal(usage.completionTokens, 3);
  const again = [];
  for await (const { token } of run) again.push(token);
  assert.deepEqual(again, [0, 1, 2]);
  await model.dispose();
});

test("biases and the wish for log-probabilities reach the core as it takes them, and its answers the page", async () => {
  const { engine, model: start } = join();
  const model = await start();
  const one = { maxTokens: 1 };
  for (const [given, taken] of [
    [{ logitBias: { 7: -2.5, 12: 100 } }, { logitBias: [[7, -2.5], [12, 100]] }],
    [{ logprobs: true }, { topLogprobs: 0 }],
    [{ topLogprobs: 3 }, { topLogprobs: 3 }],
    [{ logprobs: true, topLogprobs: 3 }, { topLogprobs: 3 }],
    [{ logprobs: false }, {}],
  ]) {
    await model.generate("x", { ...one, ...given }).result;
    assert.deepEqual(engine.asked, { stop: [], ...taken });
  }
  engine.told = { logprob: -1, topLogprobs: [{ token: 5, text: " e", logprob: -0.5 }] };
  const chunks = [];
  for await (const chunk of model.generate("x", { ...one, topLogprobs: 1 })) chunks.push(chunk);
  assert.deepEqual(chunks, [{ token: 0, text: "a", ...engine.told }]);
  await model.dispose();
});

test("a benchmark tells every step, reports by the browser's name of the adapter, and can be given up", async () => {
  const { engine, model: start } = join();
  const model = await start();
  const steps = [];
  const report = await model.benchmark({ runs: 2, onProgress: ({ done }) => steps.push(done) });
  assert.deepEqual(report, { adapter: { name: "card", kind: "other" }, runs: 2, wasm_bytes: 7 });
  assert.deepEqual(steps, [1, 2]);

  const controller = new AbortController();
  const given = model.benchmark({ runs: 1e9, signal: controller.signal, onProgress: () => controller.abort() });
  assert.equal((await thrown(given)).code, "aborted");
  assert.equal((await thrown(model.benchmark({ runs: "all" }))).code, "option");
  await model.dispose();
  assert.ok(engine.log.filter((what) => what === "stepBenchmark").length < 9);
});

test("what a model holds is told between two tokens", async () => {
  const { model } = join();
  const ready = await model();
  const run = ready.generate("abc", { maxTokens: 20 });
  const [memory, { tokens }] = await Promise.all([ready.memory(), run.result]);
  assert.equal(tokens.length, 20);
  assert.deepEqual([memory.wasmBytes, memory.processorBytes], [7, 0]);
  await ready.dispose();
  await assert.rejects(ready.memory(), { code: "disposed" });
});

test("generations take turns; a short call comes in between two tokens", async () => {
  const { engine, model: start } = join();
  const model = await start();
  engine.steps = [];
  const first = model.generate("1", { maxTokens: 5 });
  const second = model.generate("2", { maxTokens: 1 });
  for await (const _ of first) break; // the first token is out: now something short
  assert.deepEqual(await model.tokenize("A"), [65]);
  const results = await Promise.all([first.result, second.result]);
  assert.deepEqual(
    results.map(({ tokens }) => tokens.length > 0),
    [true, true],
  );
  assert.deepEqual(engine.steps, engine.steps.toSorted(), "one after the other");
  assert.ok(engine.log.lastIndexOf("next") > engine.log.indexOf("tokenize"));
  await model.dispose();
});

test("which kernels a load takes is shown", async () => {
  for (const tuning of [{ oriel: "0.1.0", matvec: { usual: "16", shapes: { "q4 8x32": "8" } } }, null]) {
    const { engine, model: start } = join();
    engine.info = { tuning, tuned: false };
    const model = await start();
    assert.deepEqual(model.tuning, tuning);
    await model.dispose();
  }
});

test("stop ends a generation within a token, and keeps what it has", async () => {
  const { engine, model: start } = join();
  const model = await start();
  const run = model.generate("x");
  let seen = 0;
  for await (const _ of run) if (++seen === 3) run.stop();
  const result = await run.result;
  assert.equal(result.finishReason, "abort");
  assert.ok(seen <= 4 && result.tokens.length === seen, `${seen} tokens were seen`);
  const steps = engine.log.filter((what) => what === "next").length;
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(engine.log.filter((what) => what === "next").length, steps);

  const left = model.generate("y");
  for await (const _ of left) break;
  assert.equal((await left.result).finishReason, "abort");
  await model.dispose();
});

test("a stop after the last token leaves the reason as it is", async () => {
  const model = await join().model();
  for (const maxTokens of [1, 3]) {
    const run = model.generate("x", { maxTokens });
    let seen = 0;
    for await (const _ of run) if (++seen === maxTokens) break;
    assert.equal((await run.result).finishReason, "length");
  }
  await model.dispose();
});

test("a prompt may be tokens, and what is neither text, tokens nor messages is refused", async () => {
  const { engine, model: start } = join();
  const model = await start();
  const one = { maxTokens: 1 };
  await model.generate([5, 0, 7], one).result;
  assert.ok(engine.log.includes("start 5,0,7"));
  const messages = [{ role: "user", content: "A" }];
  const cases = [
    [() => model.generate([5, -1]), /generate: token 1 is -1; expected a whole number/],
    [() => model.generate([5, 2 ** 32]), /generate: token 1 is 4294967296; expected a whole number below/],
    [() => model.generate([5, "6"]), /generate: token 1 is "6"/],
    [() => model.generate(5), /generate: expected a text, tokens or messages, found 5/],
    [() => model.detokenize([65.5]), /detokenize: token 0 is 65.5/],
    [() => model.detokenize("65"), /detokenize: expected tokens, found "65"/],
    [() => model.detokenize(null), /detokenize: expected tokens/],
    [() => model.detokenize([65], { signal: 1 }), /detokenize: signal is 1; expected an AbortSignal/],
    [() => model.tokenize(65), /tokenize: expected a text/],
    [() => model.tokenize("A", { special: true }), /tokenize: special is not an option; supported: signal/],
    [() => model.applyTemplate(messages, { addGenerationPrompt: 1 }), /addGenerationPrompt is 1; expected true or false/],
    [() => model.applyTemplate("A"), /messages: expected an array/],
  ];
  for (const [action, message] of cases) {
    const error = await thrown(action);
    assert.equal(error.code, "option");
    assert.match(error.message, message);
  }
  assert.equal(await model.detokenize(new Set([65, 66])), "AB");
  const signal = AbortSignal.abort("enough");
  for (const [call, given] of [["tokenize", "A"], ["detokenize", [65]], ["applyTemplate", messages]]) {
    assert.equal((await thrown(model[call](given, { signal }))).code, "aborted");
  }
  await model.dispose();
});

test("a turn that is aborted while it waits ends at once, and those after it still wait", async () => {
  const { engine, model: start } = join();
  const model = await start();
  const chat = model.session();
  const first = chat.send("1");
  const controller = new AbortController();
  const second = chat.send("2", { signal: controller.signal });
  const third = chat.send("3", { maxTokens: 1 });
  for await (const _ of first) {
    controller.abort("enough");
    assert.equal((await thrown(second.result)).cause, "enough");
    break;
  }
  const { text } = await first.result;
  await third.result;
  assert.deepEqual(
    engine.log.filter((what) => what.startsWith("start")),
    ["start 1", `start 1|${text}|3`],
  );
  await model.dispose();
});

test("a chat tells what it takes of the context, branches, and ends without the model", async () => {
  const { engine, model: start } = join();
  engine.info = { context: 10 };
  const model = await start();
  const chat = model.session();
  assert.deepEqual(chat.usage, { tokens: 0, context: 10, share: 0 });
  await chat.send("1", { maxTokens: 3 }).result;
  assert.deepEqual(chat.usage, { tokens: 8, context: 10, share: 0.8 });

  const branch = chat.clone();
  assert.deepEqual([branch.messages, branch.usage], [chat.messages, chat.usage]);
  await branch.send("2", { maxTokens: 1 }).result;
  assert.deepEqual([chat.messages.length, branch.messages.length], [2, 4]);

  const turns = [chat.send("3"), chat.send("4", { signal: new AbortController().signal })];
  for await (const _ of turns[0]) {
    await chat.dispose();
    break;
  }
  for (const { result } of [...turns, chat.send("5")]) assert.equal((await thrown(result)).code, "disposed");
  assert.equal((await branch.send("6", { maxTokens: 1 }).result).text, "a");
  await branch[Symbol.asyncDispose]();
  assert.equal((await thrown(branch.send("7").result)).code, "disposed");
  await model.dispose();
});

test("generations that go on for long take turns, each the same time; a short one need not wait for them", async () => {
  const { engine, model: start } = join();
  const model = await start();
  engine.steps = [];
  const long = ["1", "2"].map((prompt) => model.generate(prompt));
  await new Promise((done) => setTimeout(done, 100));
  const short = await model.generate("3", { maxTokens: 2 }).result;
  assert.equal(short.text, "ab");
  // One that waits can be ended at once.
  const begun = performance.now();
  const abort = new AbortController();
  const options = { signal: abort.signal };
  const [stopped, aborted] = [model.generate("4"), model.session().send("5", options)];
  await model.tokenize("all are in the queue by now");
  stopped.stop();
  assert.equal((await stopped.result).finishReason, "abort");
  abort.abort();
  assert.equal((await thrown(aborted.result)).code, "aborted");
  assert.ok(performance.now() - begun < 200, "they waited for their turn");
  await new Promise((done) => setTimeout(done, 1600));
  for (const run of long) run.stop();
  const [one, two] = (await Promise.all(long.map(({ result }) => result))).map(({ tokens }) => tokens.length);
  assert.ok(Math.max(one, two) < 2 * Math.min(one, two), `${one} and ${two} tokens`);
  const changes = engine.steps.filter((id, place) => id !== engine.steps[place - 1]).length;
  assert.ok(changes >= 4 && changes <= 14, `${changes} turns of ${engine.steps.length} steps`);
  await model.dispose();
});

test("a session is saved and restored with its cache, or without where that is of something else", async () => {
  const { engine, model: start } = join();
  engine.info = { context: 100 };
  const model = await start();
  const chat = model.session({ system: "S" });
  assert.deepEqual((await model.restore(await chat.save())).messages, chat.messages);
  assert.equal(engine.loaded, undefined, "nothing was in the cache");
  const turn = chat.send("1", { maxTokens: 3 });
  const saved = await chat.save();
  await turn.result;
  assert.ok(saved instanceof Uint8Array);
  const again = await model.restore(saved);
  assert.deepEqual([again.messages, again.usage], [chat.messages, chat.usage]);
  assert.equal(chat.messages.length, 3);
  assert.equal(engine.loaded, JSON.stringify(chat.messages));
  await again.send("2", { maxTokens: 1 }).result;
  assert.equal(chat.messages.length, 3);

  for (const length of [0, 10, 17, 21, 40, saved.length - 1]) {
    assert.equal((await thrown(model.restore(saved.subarray(0, length)))).code, "file-damaged", `${length} bytes`);
  }
  for (const [place, code] of [[3, "file-damaged"], [14, "unsupported"], [16, "file-damaged"], [40, "file-damaged"]]) {
    const other = saved.slice();
    other[place] ^= 1;
    assert.equal((await thrown(model.restore(other))).code, code, `byte ${place}`);
  }
  const long = chat.send("3");
  const abort = new AbortController();
  const saving = chat.save("a", { signal: abort.signal });
  abort.abort();
  assert.equal((await thrown(saving)).code, "aborted");
  long.stop();
  await long.result;
  engine.refusal = { code: "model-mismatch", message: "the saved cache is of another model" };
  assert.equal((await thrown(model.restore(saved))).code, "model-mismatch");
  assert.deepEqual((await model.restore(saved, { recompute: true })).messages, again.messages.slice(0, 3));
  engine.refusal = { code: "file-damaged", message: "a saved cache is damaged" };
  assert.equal((await thrown(model.restore(saved, { recompute: true }))).code, "file-damaged");
  const nowhere = await thrown(model.restore("a name"));
  assert.deepEqual([nowhere instanceof OrielError, nowhere.code], [true, "engine"], "there is no database here");
  const wrong = [() => model.restore(5), () => model.restore(""), () => model.restore(saved, { fast: 1 })];
  for (const call of [...wrong, () => chat.save(""), () => chat.save("a", { fast: 1 })]) {
    assert.equal((await thrown(call)).code, "option");
  }
  await chat.dispose();
  assert.equal((await thrown(chat.save())).code, "disposed");
  await model.dispose();
});

test("an abort makes iterator and result throw, at once, and the next generation runs", async () => {
  const model = await join().model();
  const controller = new AbortController();
  const run = model.generate("x", { signal: controller.signal });
  const error = await thrown(async () => {
    for await (const _ of run) controller.abort("enough");
  });
  assert.deepEqual([error.name, error.code, error.cause], ["AbortError", "aborted", "enough"]);
  assert.equal(await thrown(run.result), error);
  assert.equal((await thrown(model.generate("x", { signal: AbortSignal.abort() }).result)).code, "aborted");
  assert.equal((await model.generate("z", { maxTokens: 2 }).result).text, "ab");
  await model.dispose();
});

test("a chat carries what was said; a failed turn leaves no trace, a stopped one stays", async () => {
  const { engine, model: start } = join();
  const model = await start();
  const chat = model.session({ system: "S" });
  const turns = [chat.send("1", { maxTokens: 1 }), chat.send("2", { maxTokens: 2 })];
  await Promise.all(turns.map(({ result }) => result));
  assert.equal((await thrown(chat.send("3", { signal: AbortSignal.abort() }).result)).code, "aborted");
  const stopped = chat.send("4");
  for await (const _ of stopped) break;
  const { text } = await stopped.result;
  await chat.send("5", { maxTokens: 0 }).result;
  const starts = engine.log.filter((what) => what.startsWith("start"));
  assert.deepEqual(starts, ["start S|1", "start S|1|a|2", "start S|1|a|2|ab|4", `start S|1|a|2|ab|4|${text}|5`]);
  assert.equal(chat.messages.length, 9);
  await model.dispose();
});

test("an aborted load frees everything, whenever it comes", async () => {
  for (const when of ["fetch", "verify", "compile"]) {
    const { engine, client, load } = join();
    const controller = new AbortController();
    const onProgress = ({ phase }) => phase === when && controller.abort();
    const error = await thrown(load({ onProgress, signal: controller.signal }, new Blob([new Uint8Array(40 * MIB)])));
    assert.equal(error.code, "aborted");
    await client.close(error);
    assert.equal(engine.alive, 0, when);
  }
});

test("an error of the core crosses with its code, and frees everything", async () => {
  for (const where of ["begin m.gguf 4", "settle", "end", "finish"]) {
    const { engine, client, load } = join();
    engine.failAt[where] = { code: "unsupported", message: "blk.0.attn_q.weight: q2_k is not supported" };
    const error = await thrown(load());
    assert.ok(error instanceof OrielError);
    assert.deepEqual([error.code, error.message], ["unsupported", "blk.0.attn_q.weight: q2_k is not supported"]);
    assert.equal(engine.alive, 0, where);
    await client.close(error);
  }
});

test("an error in a generation does not hurt the next one", async () => {
  const { engine, model: start } = join();
  const model = await start();
  engine.failAt.next = { code: "device", message: "no" };
  assert.equal((await thrown(model.generate("x").result)).code, "device");
  engine.failAt = {};
  assert.equal((await model.generate("x", { maxTokens: 1 }).result).text, "a");
  await model.dispose();
});

test("dispose frees, ends the worker, and rejects what was going on", async () => {
  const { engine, worker, model: start } = join();
  await (async () => {
    const model = await start();
    const run = model.generate("x");
    for await (const _ of run) {
      await Promise.all([model.dispose(), model.dispose()]);
      break;
    }
    assert.equal((await thrown(run.result)).code, "disposed");
    assert.equal((await thrown(model.tokenize("x"))).code, "disposed");
  })();
  assert.deepEqual([engine.alive, worker.terminated], [0, true]);
});

test("a worker that dies fails every call, now and later", async () => {
  const { worker, model: start } = join();
  const model = await start();
  const run = model.generate("x");
  worker.onerror({ message: "unreachable" });
  const error = await thrown(run.result);
  assert.deepEqual([error.code, error.recoverable], ["engine", true]);
  assert.equal((await thrown(model.tokenize("x"))).code, "engine");
  await model.dispose();
});
