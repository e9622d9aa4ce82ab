// A worker that dies, or whose device is lost: the client takes another, and what was going on goes on where it stood.

import assert from "node:assert/strict";
import test from "node:test";
import { sources, thrown } from "./sources.mjs";

const { Client, Ledger, Losses, OrielError, TRIES_MS } = await sources(["client", "heal", "errors"]);
TRIES_MS.splice(0, TRIES_MS.length, 0, 1, 1);

/** A worker that says what the test has it say, and remembers what it was told. */
class Puppet {
  heard = [];
  ended = false;
  constructor(answers = {}) {
    this.answers = answers;
  }
  postMessage(message) {
    assert.ok(!this.ended, "a worker that has ended was told something");
    this.heard.push(message);
    const gives = message.kind === "call" ? this.answers[message.name] : undefined;
    if (gives === undefined) return;
    const reply = gives instanceof OrielError ? { kind: "failed", error: gives } : { kind: "done", gives };
    queueMicrotask(() => this.say({ id: message.id, ...reply }));
  }
  say = (reply) => this.onmessage({ data: reply });
  terminate() {
    this.ended = true;
  }
  names = () => this.heard.map(({ kind, name }) => name ?? kind);
}

const INFO = { device: "webgpu", tuning: { oriel: "1" } };
const SOUND = { load: INFO, restore: null };

/** A client that has loaded, the workers that it takes, one after another, and what it tells. */
async function loaded(...later) {
  const workers = [new Puppet(SOUND)];
  const events = [];
  const start = () => {
    workers.push(later.shift() ?? new Puppet(SOUND));
    return workers.at(-1);
  };
  const client = new Client(workers[0], { start, onEvent: (event) => events.push(event) });
  await client.call("load", { wanted: "W", options: { device: "auto", tuning: "auto", context: 9 } }).done;
  const healed = () => settled(() => events.at(-1)?.type === "healed");
  return { client, workers, events, healed };
}

async function settled(is) {
  for (let patience = 200; !is() && patience > 0; patience -= 1) await new Promise((done) => setTimeout(done, 1));
  assert.ok(is());
}

const LOST = new OrielError("device-lost", "gone");
const lost = (id) => ({ kind: "failed", id, error: { code: "device-lost", message: "gone" } });
const chunk = (id, token, change) => ({ kind: "chunk", id, chunk: { token, text: `${token}` }, change });

test("an answer goes on in another worker: the same load, the cache's passes, the tokens that there were", async () => {
  const { client, workers, events, healed } = await loaded();
  const tokens = [];
  const prompt = "P";
  const run = client.call("generate", { prompt, options: { seed: 1 } }, { onChunk: ({ token }) => tokens.push(token) });
  const short = client.call("tokenize", { text: "t" });
  workers[0].say({ kind: "chunk", id: run.id, change: [0, [0, 0, 7, 8, 9]] });
  workers[0].say(chunk(run.id, 4));
  workers[0].say(chunk(run.id, 5, [3, [3, 1, 4]]));
  workers[0].say(lost(run.id));
  workers[0].say(chunk(run.id, 6, [4, [4, 1, 5]]));
  assert.ok(workers[0].ended);
  client.stop(run.id);
  await healed();
  assert.deepEqual(workers[1].heard.map(({ takes, kind }) => takes ?? kind), [
    { wanted: "W", options: { device: "webgpu", tuning: { oriel: "1" }, context: 9 } },
    { passes: [[0, 0, 7, 8, 9], [3, 1, 4]] },
    { prompt, options: { seed: 1 }, resume: [4, 5] },
    "stop",
    { text: "t" },
  ]);
  assert.deepEqual(events.map(({ type }) => type), ["lost", "healed"]);
  assert.equal(events[0].error.code, "device-lost");
  workers[1].say(chunk(run.id, 6));
  workers[1].say({ kind: "done", id: run.id, gives: "R" });
  workers[1].say({ kind: "done", id: short.id, gives: [1] });
  assert.deepEqual([await run.done, await short.done, tokens], ["R", [1], [4, 5, 6]]);
});

test("conversations that took turns have their passes made again, the last one's last", async () => {
  const { client, workers, healed } = await loaded();
  const run = client.call("generate", { prompt: "P", options: {} });
  const passes = [1, 2].map((first) => [0, 0, ...Array.from({ length: 33 }, (_, place) => 100 * first + place)]);
  for (const pass of passes) workers[0].say({ kind: "chunk", id: run.id, change: [0, pass] });
  workers[0].say(lost(run.id));
  await healed();
  const restored = workers[1].heard.filter(({ name }) => name === "restore").map(({ takes }) => takes.passes);
  assert.deepEqual(restored, passes.map((pass) => [pass]));
});

test("what is asked while it heals waits, and what is aborted meanwhile is not asked again", async () => {
  const { client, workers, healed } = await loaded();
  const controller = new AbortController();
  const given = client.call("generate", { prompt: "A", options: {} }, { signal: controller.signal });
  workers[0].onerror({ message: "died" });
  const later = client.call("tokenize", { text: "t" });
  controller.abort();
  assert.equal((await thrown(given.done)).code, "aborted");
  await healed();
  assert.deepEqual(workers[1].names(), ["load", "restore", "tokenize"]);
  workers[1].say({ kind: "done", id: later.id, gives: [2] });
  assert.deepEqual(await later.done, [2]);
});

test("a load that fails for the moment is tried again, any other ends it, by the reason", async () => {
  const { client, workers, healed } = await loaded(
    new Puppet({ load: new OrielError("no-webgpu", "none yet") }),
    new Puppet({ ...SOUND, restore: LOST }),
  );
  const call = client.call("tokenize", { text: "t" });
  workers[0].say(lost(call.id));
  await healed();
  assert.deepEqual(workers.map(({ ended }) => ended), [true, true, true, false]);

  const { client: other, workers: its } = await loaded(new Puppet({ load: new OrielError("not-found", "404") }));
  const run = other.call("generate", { prompt: "A", options: {} });
  its[0].say(lost(run.id));
  const error = await thrown(run.done);
  assert.deepEqual([error.code, error.recoverable, error.cause.code], ["device-lost", true, "not-found"]);
  assert.match(error.message, /gone.*can't be loaded again: 404.*load the model again/);
  assert.equal(await thrown(other.call("tokenize", { text: "t" }).done), error);
  assert.ok(its.every(({ ended }) => ended));
});

test("losses without progress end it; with progress it goes on", async () => {
  const { client, workers, events, healed } = await loaded();
  const run = client.call("generate", { prompt: "A", options: {} });
  for (let loss = 0; loss < 5; loss += 1) {
    workers.at(-1).say(chunk(run.id, loss));
    workers.at(-1).say(lost(run.id));
    await healed();
  }
  assert.deepEqual(workers.at(-1).heard.at(-1).takes.resume, [0, 1, 2, 3, 4]);
  for (let loss = 0; loss < 2; loss += 1) {
    events.length = 0;
    workers.at(-1).say(lost(run.id));
    if (loss === 0) await healed();
  }
  const error = await thrown(run.done);
  assert.match(error.message, /lost 3 times in a row at the same place/);
  assert.deepEqual([error.code, workers.at(-1).ended], ["device-lost", true]);
  assert.deepEqual(events.at(-1), { type: "failed", error });
});

test("dispose while it heals ends it", async () => {
  const { client, workers } = await loaded(new Puppet());
  const run = client.call("generate", { prompt: "A", options: {} });
  workers[0].say(lost(run.id));
  await client.close(new OrielError("disposed", "enough"));
  assert.equal((await thrown(run.done)).code, "disposed");
  assert.ok(workers[1].ended);
});

test("many losses within a minute are too many, even with progress", () => {
  const losses = new Losses();
  const count = (now) => (losses.progress(), losses.count(now));
  for (let now = 0; now < 9; now += 1) assert.equal(count(now), undefined);
  assert.match(count(9), /10 times within a minute/);
  assert.equal(count(70_000), undefined);
});

test("a ledger follows what it is told", () => {
  const ledger = new Ledger();
  ledger.change([0, [0, 0, 1, 2, 3]]);
  ledger.change([3, [3, 1, 4]]);
  ledger.change([4, [4, 1, 5, 6]]);
  assert.deepEqual(ledger.passes, [[0, 0, 1, 2, 3], [3, 1, 4, 5, 6]]);
  ledger.change([5, [5, 0, 7, 8]]);
  assert.deepEqual(ledger.passes, [[0, 0, 1, 2, 3], [3, 1, 4, 5], [5, 0, 7, 8]]);
  ledger.change([2, [2, 1, 9]]);
  assert.deepEqual(ledger.passes, [[0, 0, 1, 2, 3], [2, 1, 9]]);
  ledger.change([0]);
  assert.deepEqual(ledger.passes, []);
  const whole = [[0, 0, 1, 2, 3], [3, 1, 4, 5], [5, 0, 7, 8]];
  assert.deepEqual(ledger.all, [whole, [[0, 0, 1, 2, 3], [2, 1, 9]], []], "half and more is worth a note");
});

test("a ledger notes what other conversations had, each once, and forgets the oldest where it is much", () => {
  const ledger = new Ledger();
  const said = (first, count) => Array.from({ length: count }, (_, place) => first + place);
  ledger.change([0, [0, 0, ...said(100, 40)]]);
  ledger.change([40, [40, 1, 7]]);
  ledger.change([0, [0, 0, ...said(300, 50)]]);
  const one = [[0, 0, ...said(100, 40)], [40, 1, 7]];
  assert.deepEqual(ledger.all, [one, [[0, 0, ...said(300, 50)]]]);
  ledger.change([0, ...structuredClone(one)]);
  ledger.change([41, [41, 1, 8]]);
  ledger.change([2, [2, 0, ...said(500, 40)]]);
  assert.deepEqual(ledger.all, [
    [[0, 0, ...said(300, 50)]],
    [[0, 0, ...said(100, 40)], [40, 1, 7, 8]],
    [[0, 0, ...said(100, 40)], [2, 0, ...said(500, 40)]],
  ]);
  for (let round = 1; round < 40; round += 1) ledger.change([0, [0, 0, ...said(1000 * round, 4000)]]);
  const tokens = ledger.all.slice(0, -1).reduce((sum, [[, , ...tokens]]) => sum + tokens.length, 0);
  assert.ok(tokens > 50_000 && tokens < 66_000, `${tokens} tokens`);
});
