// Calls in the page -> messages to a worker, and its replies -> promises.

import type { BenchmarkProgress } from "./benchmark.js";
import { OrielError, aborted, toOrielError } from "./errors.js";
import type { Chunk } from "./engine.js";
import type { Progress } from "./options.js";
import type { CallName, Calls, Reply, Request } from "./protocol.js";

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
  resolve: (value: never) => void;
  reject: (error: OrielError) => void;
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

/** The page's end of a worker. */
export class Client {
  readonly #worker: WorkerLike;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #gone: OrielError | undefined;
  #closing: Promise<void> | undefined;

  constructor(worker: WorkerLike) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = (event) => this.#fail(dead(event));
    worker.onmessageerror = () => this.#fail(new OrielError("engine", "a message of the worker can't be read"));
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
        this.#worker.postMessage({ kind: "abort", id });
        this.#settle(id)?.reject(aborted(signal));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const settled = () => signal?.removeEventListener("abort", onAbort);
      this.#pending.set(id, {
        ...listener,
        resolve: (value: Calls[Name]["gives"]) => (settled(), resolve(value)),
        reject: (error) => (settled(), reject(error)),
      });
      this.#worker.postMessage({ kind: "call", id, name, takes } as Request);
    });
    return { id, done };
  }

  /** Asks a generation to end with what it has. */
  stop(id: number): void {
    if (this.#pending.has(id)) this.#worker.postMessage({ kind: "stop", id });
  }

  /** Lets the worker free what it holds, then ends it. Calls in progress reject with `reason`. */
  close(reason: OrielError): Promise<void> {
    this.#closing ??= this.#gone ? Promise.resolve() : this.#close(reason);
    return this.#closing;
  }

  async #close(reason: OrielError): Promise<void> {
    const farewell = this.call("dispose", {});
    for (const id of [...this.#pending.keys()]) {
      if (id === farewell.id) continue;
      this.#worker.postMessage({ kind: "abort", id });
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

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    switch (reply.kind) {
      case "progress":
        return pending?.onProgress?.(reply.progress);
      case "benchmark":
        return pending?.onBenchmark?.(reply.progress);
      case "chunk":
        return pending?.onChunk?.(reply.chunk);
      case "done":
        return this.#settle(reply.id)?.resolve(reply.gives as never);
      case "failed":
        return this.#settle(reply.id)?.reject(toOrielError(reply.error));
    }
  }

  /** Takes a call off the list; undefined if it was settled before. */
  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  /** The worker is no more: every call now and later says so. */
  #fail(error: OrielError): void {
    this.#gone ??= error;
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(error);
    this.#worker.terminate();
  }
}

/** An error event without a message is a script that could not be fetched. */
function dead(event: ErrorEvent): OrielError {
  const message = event.message
    ? `the engine's worker failed: ${event.message}`
    : "the engine's worker could not be started; worker.js and wasm/ must be served beside the package's index.js";
  return new OrielError("engine", message, { cause: event.error });
}
