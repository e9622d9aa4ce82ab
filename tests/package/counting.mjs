// An engine that is none, which counts what it is asked and refuses to be entered twice, and a worker that is none about it.

import assert from "node:assert/strict";
import { sources } from "./sources.mjs";

export const { Client, Host, Model, OrielError } = await sources(["client", "host", "model", "errors"]);

export const MIB = 2 ** 20;

/** An engine whose model says one letter a step; `log` has what was done to it, and it can be told to fail. */
export class Counting {
  log = [];
  alive = 0;
  busy = false;
  pushed = 0;
  unsettled = 0;
  failAt = {};
  changes = [];
  restored = [];

  #enter(what) {
    assert.ok(!this.busy, `${what} while the engine is busy`);
    this.log.push(what);
    const error = this.failAt[what];
    if (error) throw error;
  }

  async #while(action) {
    this.busy = true;
    await new Promise((done) => setTimeout(done, 1));
    this.busy = false;
    return action?.();
  }

  memoryBytes = () => 7;
  choice = () => ({ device: "webgpu", reason: "there is one", adapterName: "card" });
  processorBytes = () => 0;
  mostProcessorBytes = () => 0;

  async open(options) {
    this.#enter("open");
    this.options = options;
    this.alive += 1;
    const free = () => {
      this.#enter("free");
      this.alive -= 1;
    };
    return {
      free,
      wanted: () => [],
      sideFile: () => this.#enter("sideFile"),
      begin: (name, length) => this.#enter(`begin ${name} ${length}`),
      push: (bytes) => {
        assert.ok(bytes.byteLength <= MIB, "a piece is too large");
        this.pushed += bytes.byteLength;
        this.unsettled += bytes.byteLength;
        assert.ok(this.unsettled <= 34 * MIB, "too much waits to be settled");
      },
      settle: () => {
        this.#enter("settle");
        return this.#while(() => (this.unsettled = 0));
      },
      end: () => this.#enter("end"),
      heldBytes: () => this.pushed,
      finish: () => {
        this.#enter("finish");
        return this.#while(() => this.#model(free));
      },
    };
  }

  #model(free) {
    const answers = new Map();
    let bench;
    const result = (id, said = answers.get(id)) => ({
      text: said.map(({ text }) => text).join(""),
      tokens: said.map(({ token }) => token),
      finishReason: said.ended ?? null,
      usage: { promptTokens: 5, cachedTokens: 0, completionTokens: said.length },
    });
    return {
      free,
      result,
      changed: () => this.changes.shift(),
      restore: async (passes) => void this.restored.push(passes),
      info: () => ({ adapter: { name: "unnamed", kind: "other" }, ...this.info }),
      tokenize: (text) => (this.#enter("tokenize"), Uint32Array.from(text, (letter) => letter.charCodeAt(0))),
      detokenize: (tokens) => String.fromCharCode(...tokens),
      applyTemplate: (messages, more) => JSON.stringify(messages) + more,
      end: (id) => answers.delete(id),
      save: async (messages) => new TextEncoder().encode(JSON.stringify(messages)),
      loadCache: async (bytes) => {
        if (this.refusal) throw this.refusal;
        this.loaded = new TextDecoder().decode(bytes);
        return bytes.length;
      },
      start: (id, prompt, { maxTokens = 1e9, resume = [], seed: _, ...asked }) => {
        this.asked = asked;
        const words = Array.isArray(prompt) ? prompt.map(({ content }) => content).join("|") : String(prompt);
        this.#enter(`start ${words}`);
        const said = resume.map((token) => ({ token, text: "abcdefghij"[token % 10] }));
        answers.set(id, said);
        said.left = maxTokens - resume.length;
      },
      next: (id) => {
        this.#enter("next");
        const said = answers.get(id);
        this.steps?.push(id);
        return this.#while(() => {
          if (said.left === 0) {
            said.ended = "length";
            return undefined;
          }
          said.push({ token: said.length, text: "abcdefghij"[said.length % 10], ...this.told });
          if (--said.left === 0) said.ended = "length";
          return said.at(-1);
        });
      },
      startBenchmark: async ({ runs = 3 }) => {
        this.#enter("startBenchmark");
        bench = { left: runs, done: 0 };
      },
      stepBenchmark: () => {
        this.#enter("stepBenchmark");
        return this.#while(() => (bench.left-- === 0 ? undefined : { phase: "decode", done: (bench.done += 1) }));
      },
      benchmarkReport: () => ({ adapter: { name: "unnamed", kind: "other" }, runs: bench.done }),
    };
  }
}

/** The two ends of a worker that is none, and how to load a model through it. */
export function join(engine = new Counting()) {
  const { port1, port2 } = new MessageChannel();
  const host = new Host(
    async () => engine,
    (reply) => port2.postMessage(reply),
  );
  port2.on("message", (request) => host.receive(request));
  const worker = {
    terminated: false,
    postMessage: (message) => port1.postMessage(message),
    terminate() {
      this.terminated = true;
      port1.close();
    },
  };
  port1.on("message", (data) => worker.onmessage({ data }));
  const client = new Client(worker);
  const load = (listener, blob = new Blob(["GGUF"])) => {
    const wanted = { kind: "files", side: [], weights: [{ name: "m.gguf", place: { blob }, size: blob.size }] };
    return client.call("load", { wanted, options: { device: "auto", precision: "auto", cache: "auto" } }, listener).done;
  };
  return { engine, client, worker, load, model: async () => new Model(client, await load()) };
}
