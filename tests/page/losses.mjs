// Workers that lose their GPU or die in the middle of answers when a page says so, in any browser.

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Runs in the worker before the engine. The page says at which tokens of an answer what is to happen; 0 is before the first.
 * `lose` destroys the device, `end` ends the worker without a word, `throw` fails it.
 */
export const FAULTS = `{
  const devices = [];
  const { requestDevice } = globalThis.GPUAdapter?.prototype ?? {};
  if (requestDevice) GPUAdapter.prototype.requestDevice = async function (...given) {
    const device = await requestDevice.apply(this, given);
    devices.push(device);
    return device;
  };
  let plan = { at: [] };
  const channel = new BroadcastChannel("faults");
  channel.onmessage = ({ data }) => {
    // Another worker's words are not for this one.
    if (typeof data === "string") return;
    plan = data;
    if (plan.now) happen();
    channel.postMessage("heard");
  };
  channel.postMessage("hello");
  const happen = () => {
    if (plan.how === "lose") devices.at(-1).destroy();
    if (plan.how === "end") self.close();
    if (plan.how === "throw") setTimeout(() => { throw new Error("a fault that was ordered"); });
  };
  let count = 0;
  self.addEventListener("message", ({ data }) => {
    if (data.name !== "generate") return;
    count = data.takes.resume?.length ?? 0;
    if (count === 0 && plan.at.includes(0)) happen();
  });
  const post = self.postMessage.bind(self);
  self.postMessage = (message) => {
    post(message);
    if (message.kind === "chunk" && message.chunk && plan.at.includes(++count)) happen();
  };
}
`;

const golden = fileURLToPath(new URL("../golden", import.meta.url));
/** A tiny checkpoint in four shards, for a server to have. */
export const folder = Object.fromEntries(
  await Promise.all(
    (await readdir(join(golden, "llama"))).map(async (name) => [
      `/tiny/${name}`,
      await readFile(join(golden, "llama", name)),
    ]),
  ),
);

/** Runs in a page: what a model says while its workers are lost, as `answer`, `chat` and `hopeless`. */
export async function preparePage() {
  const { load } = await import("/oriel/index.js");
  const channel = new BroadcastChannel("faults");
  let plan = { at: [] };
  let heard;
  channel.onmessage = ({ data }) => {
    // What happens before the first token would happen to the next worker again.
    const at = plan.at.filter((place) => place > 0 || plan.stubborn);
    if (data === "hello") channel.postMessage({ ...plan, at });
    else heard?.();
  };
  const order = (next) => {
    plan = { ...next, now: false };
    return new Promise((done) => {
      heard = done;
      channel.postMessage(next);
    });
  };
  const weights = [1, 2, 3, 4].map((shard) => `/tiny/model-0000${shard}-of-00004.safetensors`);
  const side = { config: "/tiny/config.json", tokenizer: "/tiny/tokenizer.json" };
  const chatTemplate = new Blob(["{% for m in messages %}{{ m.role[0] }}{{ m.content }} {% endfor %}"]);
  const source = { ...side, index: "/tiny/model.safetensors.index.json", weights, chatTemplate };
  const OPTIONS = { maxTokens: 60, ignoreEos: true };
  const SAMPLED = { temperature: 1.2, topK: 30, repetitionPenalty: 1.2, frequencyPenalty: 0.2, seed: 7, stop: ["\u0001"] };
  const ways = { greedy: OPTIONS, sampled: { ...OPTIONS, ...SAMPLED } };
  const prompt = "the cat sat on the mat and then the dog ran away";

  /** What a fresh model says, and how often it was lost, while `how` happens `at` these tokens. */
  globalThis.answer = async (options, way, { how, at = [] } = {}) => {
    const events = [];
    const model = await load(source, { ...options, onEvent: ({ type }) => events.push(type) });
    await order({ how, at });
    const run = model.generate(prompt, ways[way]);
    let streamed = "";
    for await (const { text } of run) streamed += text;
    const { text, tokens, finishReason } = await run.result;
    await order({ at: [] });
    const { tuning } = model;
    await model.dispose();
    return { said: { text, tokens, finishReason, streamed }, events, tuning };
  };

  /** Two turns of a chat; the first with faults in it, then one between the turns. */
  globalThis.chat = async (options, how) => {
    const events = [];
    const model = await load(source, { ...options, onEvent: ({ type }) => events.push(type) });
    const session = model.session({ system: "be" });
    const turn = (text) => session.send(text, { ...ways.sampled, maxTokens: 20 }).result;
    await order({ how, at: how ? [3] : [] });
    const first = await turn("a b");
    if (how) await order({ how, at: [5], now: true });
    const second = await turn("c d");
    await order({ at: [] });
    await model.dispose();
    const said = [first, second].map(({ text, tokens }) => ({ text, tokens }));
    return { said, cached: second.usage.cachedTokens, events };
  };

  /** A chat that rests between its turns while two answers take theirs, with a loss at these tokens of the first. */
  globalThis.together = async (options, how) => {
    const events = [];
    const model = await load(source, { ...options, onEvent: ({ type }) => events.push(type) });
    const session = model.session({ system: "be" });
    const turn = (text) => session.send(text, { ...ways.sampled, maxTokens: 8 }).result;
    // More than is too little to be kept.
    const first = await turn(`${prompt} `.repeat(2));
    const runs = ["one ", "two "].map((start, place) =>
      model.generate(`${start}${prompt}`, { ...ways[place ? "greedy" : "sampled"], maxTokens: 48 }),
    );
    let count = 0;
    for await (const { token } of runs[0]) {
      if (token !== undefined && how && [9, 30].includes(++count)) await order({ how, at: [], now: true });
    }
    const answers = await Promise.all(runs.map(({ result }) => result));
    const second = await turn("and then");
    await order({ at: [] });
    await model.dispose();
    const said = [first, ...answers, second].map(({ text, tokens }) => ({ text, tokens }));
    return { said, cached: second.usage.cachedTokens, events };
  };

  globalThis.hopeless = async () => {
    const model = await load(source, { device: "webgpu", tuning: "start" });
    await order({ how: "lose", at: [0], stubborn: true });
    const { code, message, recoverable } = await model.generate(prompt, ways.greedy).result.catch((error) => error);
    const later = await model.tokenize("a").catch((error) => error.code);
    plan = { at: [] };
    return { code, message, recoverable, later };
  };
}
