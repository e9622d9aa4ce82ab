// What stands behind oriel/react and oriel/element: a model as it is wanted, a conversation as it grows; no framework.

import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { lettersModel } from "./letters.mjs";
import { sources, thrown } from "./sources.mjs";

const index = `
export { OrielError } from "./errors.ts";
export const loads = [];
export function load(source, options) {
  return new Promise((resolve, reject) => {
    const load = { source, options, disposed: 0, fail: reject };
    load.model = { dispose: async () => void load.disposed++ };
    load.come = () => resolve(load.model);
    options.signal.addEventListener("abort", () => reject(new Error("aborted")));
    loads.push(load);
  });
}`;
const { Loader, loads } = await sources(["ui/loader", "index"], { index });
const parts = await sources(["client", "host", "model", "ui/conversation", "errors"]);
const { Conversation, OrielError } = parts;

/** A loader that is held, and the states that it goes through. */
function watched() {
  loads.length = 0;
  const loader = new Loader();
  const states = [];
  loader.subscribe(() => states.push(loader.state().status));
  return { loader, states, release: loader.hold() };
}

test("a model is loaded once for as long as the same is wanted, and told of", async () => {
  const { loader, states, release } = watched();
  assert.equal(loader.state().status, "idle");
  const [told, noted] = [[], []];
  const old = () => assert.fail("not the latest");
  const same = () => ({ device: "cpu", hub: new URL("https://hub.test"), token: () => "hf_1" });
  loader.want("a", { ...same(), onProgress: old, onRequest: old });
  const onProgress = (progress) => told.push(progress);
  const onRequest = (note) => noted.push(note);
  loader.want("a", { ...same(), threads: undefined, onProgress, onRequest });
  assert.equal(loads.length, 1);
  assert.deepEqual([loads[0].source, loads[0].options.device], ["a", "cpu"]);
  loads[0].options.onProgress({ phase: "fetch", loaded: 1, total: 2 });
  assert.deepEqual([told, loader.state().progress], [[{ phase: "fetch", loaded: 1, total: 2 }], told[0]]);
  loads[0].options.onRequest("note");
  assert.deepEqual(noted, ["note"]);
  loads[0].come();
  await after();
  assert.equal(loader.state().model, loads[0].model);
  assert.deepEqual(states, ["loading", "loading", "ready"]);
  loader.retry();
  assert.equal(loads.length, 1);
  assert.throws(() => loader.want("a", { signal: AbortSignal.timeout(1) }), { code: "option" });
  release();
});

test("who lets go for a moment loses nothing; who lets go ends the load, or frees the model", async () => {
  const { loader, release } = watched();
  loader.want("a");
  release();
  const again = loader.hold();
  release();
  await after(5);
  assert.deepEqual([loads.length, loads[0].options.signal.aborted, loader.state().status], [1, false, "loading"]);
  again();
  await after(5);
  assert.deepEqual([loads[0].options.signal.aborted, loader.state().status], [true, "idle"]);
  const last = loader.hold();
  loader.want("a");
  loads[1].come();
  await after();
  assert.equal(loader.state().status, "ready");
  last();
  await after(5);
  assert.deepEqual([loads[1].disposed, loader.state().status, loader.state().model], [1, "idle", undefined]);
});

test("another source, or another option, gives way; a model that comes too late is freed", async () => {
  const { loader, release } = watched();
  loader.want("a");
  loader.want("b");
  loads[0].come();
  loads[1].come();
  await after();
  assert.deepEqual([loads[0].options.signal.aborted, loader.state().model], [true, loads[1].model]);
  loader.want("b", { device: "cpu" });
  assert.deepEqual([loads.length, loads[1].disposed, loader.state().model], [3, 1, undefined]);
  loads[2].come();
  loads[2].options.onProgress({ phase: "ready", loaded: 1, total: 1 });
  await after();
  release();
  await after(5);
  assert.equal(loads[2].disposed, 1);
});

test("an error is told, and tried again", async () => {
  const { loader, states, release } = watched();
  loader.want("a");
  const error = new OrielError("network", "gone");
  loads[0].fail(error);
  await after();
  assert.deepEqual([loader.state().status, loader.state().error], ["error", error]);
  loader.retry();
  loads[1].come();
  await after();
  assert.deepEqual([states, loader.state().error], [["loading", "error", "loading", "ready"], undefined]);
  release();
});

test("a lost GPU shows as healing, and a model that is lost for good as an error", async () => {
  const { loader, states, release } = watched();
  const events = [];
  loader.want("a", { onEvent: ({ type }) => events.push(type) });
  loads[0].come();
  await after();
  const { onEvent } = loads[0].options;
  onEvent({ type: "lost", error: new OrielError("device-lost", "gone") });
  assert.deepEqual([loader.state().status, loader.state().model], ["healing", loads[0].model]);
  onEvent({ type: "healing", progress: { phase: "fetch", loaded: 3, total: 4 } });
  assert.equal(loader.state().progress.loaded, 3);
  onEvent({ type: "healed", ms: 5 });
  assert.equal(loader.state().status, "ready");
  const error = new OrielError("device-lost", "for good");
  onEvent({ type: "failed", error });
  assert.deepEqual([loader.state().error, loader.state().model, loads[0].disposed], [error, undefined, 1]);
  assert.deepEqual(states, ["loading", "ready", "healing", "healing", "ready", "error"]);
  assert.deepEqual(events, ["lost", "healing", "healed", "failed"]);
  release();
});

/** A conversation with a model that says letters, and what it went through. */
async function talking(options = {}, led = {}) {
  const letters = await lettersModel(parts, options);
  const conversation = new Conversation();
  conversation.use(letters.model, led);
  const states = [];
  conversation.subscribe(() => {
    const { status, messages } = conversation.state();
    states.push(`${status}:${messages.map(({ content }) => content).join("|")}`);
  });
  return { ...letters, conversation, states };
}

test("an answer streams into the last turn; the next one is asked with all of them", async () => {
  const { conversation, states, asked, model } = await talking({ says: "Yes" }, { system: "Be brief.", maxTokens: 9 });
  await conversation.send("One?");
  const grown = ["streaming:One?|Y", "streaming:One?|Ye", "streaming:One?|Yes"];
  assert.deepEqual(states, ["submitted:One?", ...grown, "ready:One?|Yes"]);
  await conversation.send("Two?");
  const said = [
    ["system", "Be brief."],
    ["user", "One?"],
    ["assistant", "Yes"],
    ["user", "Two?"],
  ].map(([role, content]) => ({ role, content }));
  assert.deepEqual([asked[1].prompt, asked[1].options.maxTokens], [said, 9]);
  assert.deepEqual(conversation.state().messages.map(({ role }) => role), ["user", "assistant", "user", "assistant"]);
  await model.dispose();
});

test("a stop keeps what there is; asking again replaces it", async () => {
  const { conversation, states, asked, model } = await talking({ says: "abcdefgh", stepMs: 5 });
  const unsubscribe = conversation.subscribe(() => conversation.state().status === "streaming" && conversation.stop());
  await conversation.send("Go");
  unsubscribe();
  assert.match(states.at(-1), /^ready:Go\|ab?c?$/);
  await conversation.regenerate();
  assert.deepEqual([states.at(-1), asked[1].prompt], ["ready:Go|abcdefgh", [{ role: "user", content: "Go" }]]);
  await model.dispose();
});

test("one answer at a time, with a model, to something", async () => {
  const { conversation, model } = await talking({ stepMs: 5 });
  for (const call of [() => conversation.send(5), () => conversation.regenerate()]) {
    assert.equal((await thrown(call)).code, "option");
  }
  const first = conversation.send("a");
  assert.match((await thrown(conversation.send("b"))).message, /send: an answer is being given/);
  assert.match((await thrown(conversation.regenerate())).message, /regenerate: an answer is being given/);
  await first;
  conversation.use(undefined);
  assert.match((await thrown(conversation.send("b"))).message, /the model is not there yet/);
  assert.equal(conversation.state().messages.length, 2);
  await model.dispose();
});

test("an answer that fails keeps the question, and can be asked again; an unknown option too is told", async () => {
  const { conversation, faults, states, model } = await talking({ says: "Yes" });
  faults.next = { code: "device", message: "refused" };
  await conversation.send("One?");
  assert.deepEqual([states.at(-1), conversation.state().error.code], ["error:One?", "device"]);
  faults.next = undefined;
  await conversation.regenerate();
  assert.deepEqual([states.at(-1), conversation.state().error], ["ready:One?|Yes", undefined]);
  conversation.use(model, { quantum: 1 });
  await conversation.regenerate();
  assert.match(conversation.state().error.message, /quantum is not an option/);
  await model.dispose();
});

test("nobody looks any more, other turns, another model: the answer ends; a caller's signal is heard", async () => {
  const { conversation, states, model } = await talking({ says: "abcdefgh", stepMs: 5 });
  const going = async (end) => {
    conversation.setMessages([]);
    const sent = conversation.send("Go");
    await after(12);
    end();
    await sent;
    return conversation.state();
  };
  const halted = await going(() => conversation.halt());
  assert.deepEqual([halted.status, halted.messages[0].content], ["ready", "Go"]);
  const replaced = await going(() => conversation.setMessages([{ role: "user", content: "Else" }]));
  assert.deepEqual(replaced.messages, [{ role: "user", content: "Else" }]);
  assert.equal((await going(() => conversation.use(undefined))).status, "ready");
  const abort = new AbortController();
  conversation.use(model, { signal: abort.signal });
  const aborted = await going(() => abort.abort());
  assert.deepEqual([aborted.status, aborted.error.code], ["error", "aborted"]);
  conversation.use(model);
  await conversation.regenerate();
  assert.equal(states.at(-1), "ready:Go|abcdefgh");
  await model.dispose();
});
