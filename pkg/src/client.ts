// Calls in the page -> messages to a worker, and its replies -> promises.

import type { BenchmarkProgress } from "./benchmark.js";
import { OrielError, aborted, toOrielError } from "./errors.js";
import type { Chunk } from "./engine.js";
import { NEEDS } from "./files.js";
import { LOSSES, Ledger, Losses, PASSING, TRIES_MS, sameAgain, type ModelEvent } from "./heal.js";
import type { Progress } from "./options.js";
import type { RequestNote } from "./requests.js";
import type { CallName, Calls, LoadedInfo, Reply, Request } from "./protocol.js";

/** How long a worker may take to free its GPU memory before it is ended all the same. */
const FAREWELL_MS = 5000;

/** What a call wants to be told before it is done. */
export interface Listener {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  onChunk?: ((chunk: Chunk) => void) | undefined;
  onBenchmark?: ((progress: BenchmarkProgress) => void) | undefined;
}

interface Pending extends Listener {
  request: Extract<Request, { kind: "call" }>;
  /** Tokens of its answer that have come. */
  tokens: number[];
  stopped: boolean;
  resolve: (value: never) => void;
  reject: (error: OrielError) => void;
}

/** How a client whose worker or device was lost gets another. */
export interface Healing {
  start: () => WorkerLike;
  onEvent?: ((event: ModelEvent) => void) | undefined;
  onRequest?: ((note: RequestNote) => void) | undefined;
}

/** What of a Worker is used; tests give a port. */
export interface WorkerLike {
  postMessage(message: Request): void;
  terminate(): void;
  onmessage: ((event: MessageEvent<Reply>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  onmessageerror?: ((event: MessageEvent) => void) | null;
}

/** A call in progress. */
export interface Ongoing<T> {
  id: number;
  done: Promise<T>;
}

/**
 * The page's end of a worker. Where the worker dies, or its device is lost, after it has loaded a model, another takes its
 * place: it loads the same, its cache is made again by the same passes, and what was going on goes on where it stood.
 */
export class Client {
  #worker: WorkerLike;
  readonly #healing: Healing | undefined;
  readonly #pending = new Map<number, Pending>();
  readonly #losses = new Losses();
  readonly #ledger = new Ledger();
  #nextId = 1;
  /** What brings the model again, once it was loaded. */
  #loaded: Calls["load"]["takes"] | undefined;
  /** While another worker loads: what it is asked so far. */
  #reviving: Set<number> | undefined;
  #gone: OrielError | undefined;
  #closing: Promise<void> | undefined;

  constructor(worker: WorkerLike, healing?: Healing) {
    this.#worker = worker;
    this.#healing = healing;
    this.#attach(worker);
  }

  /** Calls the worker. An abort rejects at once; the worker hears of it and stops at its next step. */
  call<Name extends CallName>(
    name: Name,
    takes: Calls[Name]["takes"],
    listener: Listener = {},
  ): Ongoing<Calls[Name]["gives"]> {
    const id = this.#nextId++;
    const { signal } = listener;
    const done = new Promise<Calls[Name]["gives"]>((resolve, reject) => {
      if (this.#gone) return reject(this.#gone);
      if (signal?.aborted) return reject(aborted(signal));
      const onAbort = () => {
        this.#tell({ kind: "abort", id });
        this.#settle(id)?.reject(aborted(signal));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const settled = () => signal?.removeEventListener("abort", onAbort);
      const request = { kind: "call", id, name, takes } as Pending["request"];
      this.#pending.set(id, {
        ...listener,
        ...{ request, tokens: [], stopped: false },
        resolve: (value: Calls[Name]["gives"]) => (settled(), resolve(value)),
        reject: (error) => (settled(), reject(error)),
      });
      this.#tell(request);
    });
    return { id, done };
  }

  /** Asks a generation to end with what it has. */
  stop(id: number): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    pending.stopped = true;
    this.#tell({ kind: "stop", id });
  }

  /** Lets the worker free what it holds, then ends it. Calls in progress reject with `reason`. */
  close(reason: OrielError): Promise<void> {
    this.#closing ??= this.#gone ? Promise.resolve() : this.#close(reason);
    return this.#closing;
  }

  async #close(reason: OrielError): Promise<void> {
    if (this.#reviving) return this.#end(reason);
    const farewell = this.call("dispose", {});
    for (const id of [...this.#pending.keys()]) {
      if (id === farewell.id) continue;
      this.#tell({ kind: "abort", id });
      this.#settle(id)?.reject(reason);
    }
    this.#gone = reason;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise((done) => (timer = setTimeout(done, FAREWELL_MS)));
    await Promise.race([farewell.done.catch(() => undefined), patience]);
    clearTimeout(timer);
    this.#settle(farewell.id);
    this.#worker.terminate();
  }

  /** Listens to a worker, for as long as it is this client's. */
  #attach(worker: WorkerLike): void {
    const own = (hear: () => void) => {
      if (worker === this.#worker) hear();
    };
    worker.onmessage = ({ data }) => own(() => this.#receive(data));
    worker.onerror = (event) => own(() => this.#lose(dead(event)));
    const unreadable = () => this.#lose(new OrielError("engine", "a message of the worker can't be read"));
    worker.onmessageerror = () => own(unreadable);
  }

  /** Posts to the worker. While another one loads, only that is for it: the rest waits. */
  #tell(request: Request): void {
    if (!this.#reviving || this.#reviving.has(request.id)) this.#worker.postMessage(request);
  }

  #receive(reply: Reply): void {
    if (reply.kind === "alive") return this.#watch(reply.lock);
    if (reply.kind === "request") return this.#healing?.onRequest?.(reply.note);
    const pending = this.#pending.get(reply.id);
    switch (reply.kind) {
      case "progress":
        return pending?.onProgress?.(reply.progress);
      case "benchmark":
        return pending?.onBenchmark?.(reply.progress);
      case "chunk":
        if (reply.change) this.#ledger.change(reply.change);
        if (!reply.chunk) return;
        this.#losses.progress();
        pending?.tokens.push(reply.chunk.token);
        return pending?.onChunk?.(reply.chunk);
      case "done":
        if (!this.#reviving) this.#losses.progress();
        if (pending?.request.name === "load" && this.#healing) this.#remember(pending.request.takes, reply.gives);
        return this.#settle(reply.id)?.resolve(reply.gives as never);
      case "failed": {
        const error = toOrielError(reply.error);
        if (LOSSES.has(error.code) && this.#loaded && !this.#reviving) return this.#lose(error);
        return this.#settle(reply.id)?.reject(error);
      }
    }
  }

  /** A worker that ends without a word lets go of its lock. */
  #watch(lock: string): void {
    const worker = this.#worker;
    const end = () => {
      if (worker === this.#worker) this.#lose(new OrielError("engine", "the engine's worker has ended"));
    };
    navigator.locks?.request(lock, end).catch(() => undefined);
  }

  #remember({ wanted, options }: Calls["load"]["takes"], info: unknown): void {
    this.#loaded ??= { wanted, options: sameAgain(options, info as LoadedInfo) };
  }

  /** The worker or its device is no more. */
  #lose(error: OrielError): void {
    if (this.#gone || !this.#healing || !this.#loaded) return this.#end(error);
    const reviving = this.#reviving;
    if (!reviving) void this.#heal(error, this.#healing, this.#loaded);
    else for (const id of [...reviving]) this.#settle(id)?.reject(error);
  }

  async #heal(error: OrielError, healing: Healing, load: Calls["load"]["takes"]): Promise<void> {
    const begun = performance.now();
    this.#reviving = new Set();
    this.#worker.terminate();
    const fail = (what: string, cause: OrielError) => {
      const failure = beyond(what, cause);
      this.#end(failure);
      healing.onEvent?.({ type: "failed", error: failure });
    };
    const often = this.#losses.count(begun);
    if (often) return fail(`was lost ${often} (${error.message})`, error);
    healing.onEvent?.({ type: "lost", error });
    for (const [place, wait] of TRIES_MS.entries()) {
      if (wait > 0) await new Promise((done) => setTimeout(done, wait));
      if (this.#gone) return;
      try {
        await this.#revive(healing, load);
        break;
      } catch (thrown) {
        const failure = toOrielError(thrown);
        if (this.#gone) return;
        if (place < TRIES_MS.length - 1 && PASSING.has(failure.code)) continue;
        return fail(`was lost (${error.message}) and can't be loaded again: ${failure.message}`, failure);
      }
    }
    this.#reviving = undefined;
    for (const [id, { request, tokens, stopped }] of this.#pending) {
      const resume = request.name === "generate" && tokens.length > 0;
      this.#tell(resume ? { ...request, takes: { ...request.takes, resume: [...tokens] } } : request);
      if (stopped) this.#tell({ kind: "stop", id });
    }
    healing.onEvent?.({ type: "healed", ms: performance.now() - begun });
  }

  /** Another worker, with the same model and what stood in the cache. */
  async #revive({ start, onEvent }: Healing, load: Calls["load"]["takes"]): Promise<void> {
    this.#worker.terminate();
    this.#worker = start();
    this.#attach(this.#worker);
    await this.#ask("load", load, { onProgress: (progress) => onEvent?.({ type: "healing", progress }) });
    for (const passes of this.#ledger.all) await this.#ask("restore", { passes: [...passes] });
  }

  /** A call that belongs to the reviving itself. */
  #ask<Name extends CallName>(name: Name, takes: Calls[Name]["takes"], listener: Listener = {}): Promise<unknown> {
    this.#reviving?.add(this.#nextId);
    return this.call(name, takes, listener).done;
  }

  /** Takes a call off the list; undefined if it was settled before. */
  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  /** The worker is no more, nor will there be another: every call now and later says so. */
  #end(error: OrielError): void {
    this.#gone ??= error;
    this.#reviving = undefined;
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(this.#gone);
    this.#worker.terminate();
  }
}

function beyond(what: string, cause: OrielError): OrielError {
  const advice = "load the model again; with a smaller model or a shorter context the device has more to spare";
  return new OrielError("device-lost", `the engine ${what}: ${advice}`, { cause });
}

/** An error event without a message is a script that could not be fetched. */
function dead(event: ErrorEvent): OrielError {
  const message = event.message
    ? `the engine's worker failed: ${event.message}`
    : `the engine's worker could not be started; ${NEEDS}`;
  return new OrielError("engine", message, { cause: event.error });
}
