// Requests -> the engine, one step at a time -> replies. What the worker runs; it knows nothing of workers.

import type { BenchmarkSizes } from "./benchmark.js";
import { checkModel } from "./checking.js";
import type { Adapter, Engine, EngineModel, StartEngine } from "./engine.js";
import { OrielError, aborted, toWire } from "./errors.js";
import { loadModel } from "./loading.js";
import type { Calls, Memory, Reply, Request } from "./protocol.js";
import { Rounds } from "./rounds.js";

type Call = Extract<Request, { kind: "call" }>;
type Gives = Calls[keyof Calls]["gives"];

/** How a call in progress is ended from outside. */
interface Ending {
  abort: AbortController;
  /** With what there is; aborted as well where it is. */
  stop: AbortController;
}

/**
 * Owns one engine and at most one model. Generations take turns (`rounds.ts`), in the order in which they came; the engine
 * keeps what stands in the cache of the others meanwhile. Short calls come in between two tokens. The engine is never
 * entered twice.
 */
export class Host {
  readonly #post: (reply: Reply) => void;
  readonly #startEngine: StartEngine;
  readonly #endings = new Map<number, Ending>();
  readonly #engineTurns = new Turns();
  readonly #rounds = new Rounds();
  #engine: Engine | undefined;
  #model: EngineModel | undefined;

  constructor(startEngine: StartEngine, post: (reply: Reply) => void) {
    this.#startEngine = startEngine;
    this.#post = post;
  }

  /** Takes a message from the page; never throws. */
  receive(request: Request): void {
    if (request.kind === "call") {
      void this.#answer(request);
      return;
    }
    const ending = this.#endings.get(request.id);
    if (request.kind === "abort") ending?.abort.abort();
    ending?.stop.abort();
  }

  async #answer(call: Call): Promise<void> {
    const { id } = call;
    const ending: Ending = { abort: new AbortController(), stop: new AbortController() };
    this.#endings.set(id, ending);
    try {
      this.#post({ kind: "done", id, gives: await this.#call(call, ending) });
    } catch (error) {
      this.#post({ kind: "failed", id, error: toWire(error) });
    } finally {
      this.#endings.delete(id);
    }
  }

  #call(call: Call, ending: Ending): Promise<Gives> {
    const { signal } = ending.abort;
    switch (call.name) {
      case "load":
        return this.#engineTurns.take(() => this.#load(call.id, call.takes, signal));
      case "check":
        return this.#engineTurns.take(() => this.#check(call.takes, signal));
      case "generate":
        return this.#generate(call.id, call.takes, ending);
      case "restore":
        return this.#engineTurns.take(async () => (await this.#loaded().restore(call.takes.passes), null));
      case "memory":
        return this.#step(signal, (model) => this.#memory(model));
      case "save":
        return this.#step(signal, (model) => model.save(call.takes.messages));
      case "loadCache":
        return this.#loadCache(call.id, call.takes.bytes, signal);
      case "tokenize":
        return this.#step(signal, (model) => Array.from(model.tokenize(call.takes.text)));
      case "detokenize":
        return this.#step(signal, (model) => model.detokenize(call.takes.tokens));
      case "applyTemplate": {
        const { messages, addGenerationPrompt } = call.takes;
        return this.#step(signal, (model) => model.applyTemplate(messages, addGenerationPrompt));
      }
      case "benchmark":
        return this.#benchmark(call.id, call.takes.sizes, signal);
      case "dispose":
        return this.#dispose();
    }
  }

  async #load(id: number, { wanted, options }: Calls["load"]["takes"], signal: AbortSignal): Promise<Gives> {
    if (this.#model) throw new OrielError("option", "this worker holds a model already");
    const engine = (this.#engine = await this.#startEngine());
    const report = (progress: Extract<Reply, { kind: "progress" }>["progress"]) =>
      this.#post({ kind: "progress", id, progress });
    const notices: string[] = [];
    this.#model = await loadModel(engine, wanted, options, report, signal, notices);
    const own = this.#model.info();
    const info = { ...own, notice: [own.notice, ...notices].filter(Boolean).join("; ") || null };
    const { device = "webgpu", reason: deviceReason = "" } = engine.choice() ?? {};
    const [wasmBytes, processorBytes] = [engine.memoryBytes(), engine.processorBytes()];
    return { ...info, adapter: this.#named(info.adapter), device, deviceReason, wasmBytes, processorBytes };
  }

  async #check({ wanted, options }: Calls["check"]["takes"], signal: AbortSignal): Promise<Gives> {
    this.#engine ??= await this.#startEngine();
    return checkModel(this.#engine, wanted, options, signal);
  }

  async #generate(id: number, { prompt, options, resume }: Calls["generate"]["takes"], ending: Ending): Promise<Gives> {
    const { signal } = ending.abort;
    const leave = ending.stop.signal;
    await this.#step(signal, (model) => model.start(id, prompt, { ...options, ...(resume ? { resume } : {}) }));
    try {
      let mine = await this.#rounds.take(leave);
      try {
        while (mine && !leave.aborted && (await this.#next(id, signal))) {
          // Lets messages in: an engine that never leaves the processor would not notice that it is to stop.
          await nextTask();
          if (!this.#rounds.isOver()) continue;
          this.#rounds.give();
          mine = await this.#rounds.take(leave);
        }
      } finally {
        if (mine) this.#rounds.give();
      }
      const result = await this.#step(signal, (model) => model.result(id));
      // A stop that comes after the last token changes nothing.
      return { ...result, finishReason: result.finishReason ?? "abort" };
    } finally {
      await this.#engineTurns.take(() => this.#model?.end(id));
    }
  }

  async #loadCache(id: number, bytes: Uint8Array, signal: AbortSignal): Promise<Gives> {
    const { positions, change } = await this.#step(signal, async (model) => ({
      positions: await model.loadCache(bytes),
      change: model.changed(),
    }));
    if (change) this.#post({ kind: "chunk", id, change });
    return positions;
  }

  /** A step of a generation; whether there may be another. */
  async #next(id: number, signal: AbortSignal): Promise<boolean> {
    const step = await this.#step(signal, async (model) => {
      const next = await model.next(id);
      return { next, change: model.changed() };
    });
    if (!step.next) return false;
    const { token, text = "", ...more } = step.next;
    const change = step.change && { change: step.change };
    // In one message: whoever takes the answer up elsewhere needs both of a step, or neither.
    if (token !== undefined) this.#post({ kind: "chunk", id, chunk: { token, text, ...more }, ...change });
    else if (change) this.#post({ kind: "chunk", id, ...change });
    return true;
  }

  /** Steps as a generation does, so that it measures what a generation gets; its turn lasts to its end. */
  async #benchmark(id: number, sizes: BenchmarkSizes, signal: AbortSignal): Promise<Gives> {
    if (!(await this.#rounds.take(signal))) throw aborted(signal);
    try {
      await this.#step(signal, (model) => model.startBenchmark(sizes));
      for (;;) {
        const progress = await this.#step(signal, (model) => model.stepBenchmark());
        if (!progress) break;
        this.#post({ kind: "benchmark", id, progress });
        await nextTask();
      }
      const report = await this.#step(signal, (model) => model.benchmarkReport());
      const wasm_bytes = (this.#engine?.memoryBytes() ?? 0) + (this.#engine?.processorBytes() ?? 0);
      return { ...report, adapter: this.#named(report.adapter), wasm_bytes };
    } finally {
      this.#rounds.give();
    }
  }

  #memory(model: EngineModel): Memory {
    const { gpuBytes } = model.info();
    const [wasmBytes, processorBytes] = [this.#engine?.memoryBytes() ?? 0, this.#engine?.processorBytes() ?? 0];
    return { gpuBytes, wasmBytes, processorBytes };
  }

  /** A turn of the engine for a call that can be aborted. */
  #step<T>(signal: AbortSignal, run: (model: EngineModel) => T | Promise<T>): Promise<T> {
    return this.#engineTurns.take(() => {
      if (signal.aborted) throw aborted(signal);
      return run(this.#loaded());
    });
  }

  /** The adapter by the name that the browser has for it, where it tells one. */
  #named(adapter: Adapter): Adapter {
    return { ...adapter, name: this.#engine?.choice()?.adapterName ?? adapter.name };
  }

  async #dispose(): Promise<null> {
    for (const { abort, stop } of this.#endings.values()) {
      abort.abort();
      stop.abort();
    }
    await this.#engineTurns.take(() => {
      this.#model?.free();
      this.#model = undefined;
    });
    return null;
  }

  #loaded(): EngineModel {
    if (this.#model) return this.#model;
    throw new OrielError("disposed", "the model was disposed of");
  }
}

/** Runs what it is given one after another, in order, whatever the outcome of those before. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(run: () => T | Promise<T>): Promise<T> {
    const turn = this.#last.then(run);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** A task of the event loop later, so that messages that have come are heard. */
function nextTask(): Promise<void> {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });
}
