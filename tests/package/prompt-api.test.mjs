// The browser's LanguageModel over a stand-in for the engine: what its callers see, and when a model is loaded and freed.

import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { lettersModel } from "./letters.mjs";
import { sources, thrown } from "./sources.mjs";

const index = `
export { OrielError } from "./errors.ts";
export const calls = {};
export const load = (source, options) => calls.load(source, options);
export const check = (source, options) => calls.check(source, options);`;
const parts = await sources(["client", "host", "model", "prompt-api", "index"], { index });
const { OrielError, calls, createLanguageModel, install } = parts;

/** Node has none. */
globalThis.ProgressEvent ??= class ProgressEvent extends Event {
  constructor(type, { loaded, total }) {
    super(type);
    Object.assign(this, { loaded, total });
  }
};

const start = async (options) => {
  const letters = await lettersModel(parts, options);
  return { ...letters, LanguageModel: createLanguageModel(letters.model) };
};
const user = (content) => ({ role: "user", content });
const says = (content) => ({ role: "assistant", content });
const SYSTEM = { role: "system", content: "Be brief." };

test("it is installed only where there is none", async () => {
  const target = {};
  assert.equal(install(target, "a"), true);
  const { LanguageModel } = target;
  assert.deepEqual([typeof LanguageModel.create, typeof LanguageModel.availability], ["function", "function"]);
  assert.deepEqual(Object.keys(target), []);
  assert.equal(install(target, "b"), false);
  assert.equal(target.LanguageModel, LanguageModel);
  assert.throws(() => install({}, "a", { signal: AbortSignal.timeout(1) }), TypeError);
  assert.equal(LanguageModel.name, "LanguageModel");
  assert.throws(() => new LanguageModel(), /Illegal constructor/);
});

test("prompts are answered, whole and streamed, each with all that was said before", async () => {
  const { LanguageModel, asked, model } = await start({ says: "Yes" });
  const session = await LanguageModel.create({ initialPrompts: [SYSTEM, user("One?"), says("Yes.")] });
  assert.ok(session instanceof LanguageModel && session instanceof EventTarget);
  assert.deepEqual([session.contextWindow, session.samplingMode], [4096, null]);
  const begun = session.contextUsage;
  assert.ok(begun > 0);
  assert.equal(await session.prompt("Two?"), "Yes");
  assert.deepEqual(asked[0].prompt, [SYSTEM, user("One?"), says("Yes."), user("Two?")]);
  const pieces = [];
  const content = [
    { type: "text", value: "Th" },
    { type: "text", value: "ree?" },
  ];
  for await (const piece of session.promptStreaming([{ role: "user", content }])) pieces.push(piece);
  assert.deepEqual(pieces, ["Y", "e", "s"]);
  assert.deepEqual(asked[1].prompt.slice(-2), [says("Yes"), user("Three?")]);
  await session.append([user("A fact."), user("Another.")]);
  await session.prompt("So?");
  assert.deepEqual(asked[2].prompt.slice(-2), [says("Yes"), user("A fact.\nAnother.\nSo?")]);
  assert.ok((await session.measureContextUsage("More.")) > 5);
  session.destroy();
  assert.equal(await model.generate("a").result.then(({ text }) => text), "Yes", "it is its owner's to free");
  await model.dispose();
});

test("a clone goes on by itself", async () => {
  const { LanguageModel, asked, model } = await start({ says: "Yes" });
  const session = await LanguageModel.create({ samplingMode: "balanced" });
  await session.prompt("One?");
  const clone = await session.clone();
  assert.deepEqual([clone.contextUsage, clone.samplingMode], [session.contextUsage, "balanced"]);
  session.destroy();
  await clone.prompt("Two?");
  assert.deepEqual(asked[1].prompt, [user("One?"), says("Yes"), user("Two?")]);
  assert.deepEqual([asked[1].options.temperature, asked[1].options.topK], [0.7, 40]);
  assert.equal((await thrown(session.clone())).name, "AbortError");
  await model.dispose();
});

test("an abort gives its reason and leaves no trace; so do a stream given up, and the end of the session", async () => {
  const { LanguageModel, asked, model } = await start({ says: "abcdefgh", stepMs: 4 });
  const session = await LanguageModel.create();
  const abort = new AbortController();
  const reason = new Error("enough");
  const cut = session.prompt("One?", { signal: abort.signal });
  const waiting = session.prompt("Two?", { signal: abort.signal });
  await after(10);
  abort.abort(reason);
  assert.deepEqual([await thrown(cut), await thrown(waiting)], [reason, reason]);
  assert.equal(await thrown(session.prompt("a", { signal: AbortSignal.abort(reason) })), reason);
  for await (const piece of session.promptStreaming("Three?")) if (piece) break;
  const unread = session.promptStreaming("Four?");
  assert.equal(await session.prompt("Five?"), "abcdefgh");
  assert.deepEqual(asked.at(-1).prompt, [user("Four?"), says("abcdefgh"), user("Five?")]);
  assert.equal((await unread.getReader().read()).value, "a");
  const last = session.prompt("Six?");
  session.destroy();
  assert.deepEqual([(await thrown(last)).name, (await thrown(session.prompt("a"))).name], ["AbortError", "AbortError"]);
  await model.dispose();
});

test("a full window gives up the oldest turns and tells of it; what can't fit is refused", async () => {
  const { LanguageModel, asked, model } = await start({ says: "Yes", context: 240 });
  const session = await LanguageModel.create({ initialPrompts: [SYSTEM] });
  const heard = [];
  session.oncontextoverflow = ({ type }) => heard.push(type);
  session.addEventListener("contextoverflow", () => heard.push("listener"));
  await session.prompt("One?");
  assert.deepEqual(heard, []);
  await session.prompt("Two?");
  await session.prompt("Three?");
  assert.deepEqual(heard, ["contextoverflow", "listener"]);
  assert.deepEqual(asked[2].prompt, [SYSTEM, user("Two?"), says("Yes"), user("Three?")]);
  const error = await thrown(session.prompt("x".repeat(300)));
  assert.deepEqual([error.name, error.quota, error.requested > 300], ["QuotaExceededError", 240, true]);
  const initial = await thrown(LanguageModel.create({ initialPrompts: [user("x".repeat(300))] }));
  assert.equal(initial.name, "QuotaExceededError");
  session.oncontextoverflow = null;
  assert.equal(session.oncontextoverflow, null);
  await model.dispose();
});

/** Loads to order, with what they were asked. */
function loading() {
  const loads = [];
  calls.load = (source, options) =>
    new Promise((resolve, reject) => {
      options.signal.addEventListener("abort", () => reject(new OrielError("aborted", "aborted")));
      loads.push({ source, options, reject, come: async () => resolve((await lettersModel(parts)).model) });
    });
  return loads;
}

test("one load serves all sessions, whoever gives up; the model is freed with the last", async () => {
  const loads = loading();
  const LanguageModel = createLanguageModel("a", { device: "cpu" });
  const shares = [[], []];
  const monitor = (heard) => (target) => {
    target.addEventListener("downloadprogress", ({ loaded, total }) => heard.push([loaded, total]));
  };
  const abort = new AbortController();
  const given = LanguageModel.create({ signal: abort.signal, monitor: monitor(shares[0]) });
  const first = LanguageModel.create({ monitor: monitor(shares[1]) });
  assert.equal(await LanguageModel.availability(), "downloading");
  const { options, source } = loads[0];
  options.onProgress({ phase: "fetch", loaded: 1, total: null });
  options.onProgress({ phase: "fetch", loaded: 1, total: 4 });
  options.onProgress({ phase: "upload", loaded: 1, total: 4 });
  const reason = new Error("enough");
  abort.abort(reason);
  assert.equal(await thrown(given), reason);
  options.onProgress({ phase: "fetch", loaded: 4, total: 4 });
  await loads[0].come();
  const one = await first;
  assert.deepEqual(shares, [[[0, 1], [0.25, 1]], [[0, 1], [0.25, 1], [1, 1]]]);
  assert.deepEqual([loads.length, source, options.device, options.signal.aborted], [1, "a", "cpu", false]);
  const late = [];
  const two = await LanguageModel.create({
    monitor: (target) => void (target.ondownloadprogress = ({ loaded }) => late.push(loaded)),
  });
  assert.deepEqual([late, loads.length, await LanguageModel.availability()], [[1], 1, "available"]);
  one.destroy();
  one.destroy();
  assert.equal(await two.prompt("Hi"), "Paris is.");
  two.destroy();
  assert.equal(options.signal.aborted, true);
  const again = LanguageModel.create();
  await after();
  assert.equal(loads.length, 2);
  loads[1].reject(new OrielError("network", "gone"));
  assert.equal((await thrown(again)).name, "NetworkError");
});

test("availability is what a check says of the source, before anything is loaded", async () => {
  const seen = [];
  let status = "downloadable";
  calls.check = async (source, { device, token }) => (seen.push([source, device, token]), { status });
  const LanguageModel = createLanguageModel("a", { device: "cpu", token: "hf_1", onProgress: () => undefined });
  assert.equal(await LanguageModel.availability({ expectedInputs: [{ type: "text", languages: ["en"] }] }), "downloadable");
  status = "ready";
  assert.equal(await LanguageModel.availability(), "available");
  assert.deepEqual(seen, [["a", "cpu", "hf_1"], ["a", "cpu", "hf_1"]]);
  assert.equal(await LanguageModel.availability({ expectedInputs: [{ type: "image" }] }), "unavailable");
  assert.equal(await LanguageModel.availability({ tools: [{}] }), "unavailable");
  calls.check = async () => {
    throw new OrielError("not-found", "gone");
  };
  assert.equal((await thrown(LanguageModel.availability())).name, "NetworkError");
});

test("what can't be honoured is refused as the platform refuses it", async () => {
  const { LanguageModel, faults, model } = await start();
  const tool = { name: "f", description: "", inputSchema: {}, execute: async () => "" };
  for (const [options, name] of [
    [{ tools: [tool] }, "NotSupportedError"],
    [{ expectedOutputs: [{ type: "audio" }] }, "NotSupportedError"],
    [{ expectedInputs: [{ type: "text", languages: ["not a language"] }] }, "RangeError"],
    [{ systemPrompt: "a" }, "NotSupportedError"],
    [{ samplingMode: "wild" }, "TypeError"],
    [{ samplingMode: "balanced", topK: 3 }, "TypeError"],
    [{ temperature: -1 }, "RangeError"],
    [{ topK: "3" }, "RangeError"],
    [{ monitor: 5 }, "TypeError"],
    [{ signal: {} }, "TypeError"],
    [{ initialPrompts: [user("a"), SYSTEM] }, "TypeError"],
    [{ initialPrompts: [{ role: "tool", content: "a" }] }, "TypeError"],
    [null, "TypeError"],
  ]) {
    assert.equal((await thrown(LanguageModel.create(options))).name, name, JSON.stringify(options));
  }
  const session = await LanguageModel.create({ temperature: 0.5, topK: 3, tools: [] });
  for (const [input, options, name] of [
    ["a", { responseConstraint: {} }, "NotSupportedError"],
    ["a", { omitResponseConstraintInput: true }, "TypeError"],
    ["a", { quantum: 1 }, "NotSupportedError"],
    [5, {}, "TypeError"],
    [[user(5)], {}, "TypeError"],
    [[user([{ type: "image", value: "" }])], {}, "NotSupportedError"],
    [[user([{ type: "text", value: 5 }])], {}, "TypeError"],
    [[user("a"), { ...says("b"), prefix: true }], {}, "NotSupportedError"],
    [[{ ...user("a"), prefix: true }], {}, "SyntaxError"],
  ]) {
    assert.equal((await thrown(session.prompt(input, options))).name, name, JSON.stringify(input));
    const reader = session.promptStreaming(input, options).getReader();
    assert.equal((await thrown(reader.read())).name, name);
  }
  await session.prompt("a");
  assert.equal((await thrown(session.prompt([SYSTEM, user("b")]))).name, "TypeError");
  faults.next = { code: "device", message: "refused" };
  const error = await thrown(session.prompt("a"));
  assert.deepEqual([error.name, error.message], ["UnknownError", "device: refused"]);
  await model.dispose();
});
