// Chunks of an answer, made as they are read -> what a caller loops over, as the client of OpenAI has it.

import { OrielError } from "../index.js";
import type { ChunkStream, RequestOptions } from "./types.js";

/** Two ways to end an answer from outside: the caller's signal, which throws, and the stream's controller, which doesn't. */
export class Ending {
  readonly controller = new AbortController();
  readonly #signal: AbortSignal | undefined;

  constructor(call: string, options: RequestOptions = {}) {
    const { signal, ...rest } = options;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) {
      throw new OrielError("option", `${call}: ${unknown} is not an option; supported: signal`);
    }
    if (!signal) return;
    if (!(signal instanceof AbortSignal)) throw new OrielError("option", `${call}: signal is no AbortSignal`);
    this.#signal = signal;
    if (signal.aborted) this.#abort();
    else signal.addEventListener("abort", this.#abort);
  }

  /** Whether it was the controller: then the loop just ends. */
  get quiet(): boolean {
    return this.controller.signal.aborted && !this.#signal?.aborted;
  }

  readonly #abort = () => this.controller.abort(this.#signal?.reason);

  /** The answer is over: the caller's signal may live on. */
  over(): void {
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}

export class Stream<T> implements ChunkStream<T> {
  readonly controller: AbortController;
  readonly #items: AsyncGenerator<T, void>;
  #taken = false;

  private constructor(items: AsyncGenerator<T, void>, controller: AbortController) {
    this.#items = items;
    this.controller = controller;
  }

  /** Comes with its first chunk: a request that fails does so before there is a stream. */
  static async start<T>(items: AsyncGenerator<T>, ending: Ending): Promise<Stream<T>> {
    try {
      const first = await items.next();
      return new Stream(rest(first, items, ending), ending.controller);
    } catch (error) {
      ending.over();
      throw error;
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    if (this.#taken) throw new OrielError("option", "a stream of chunks can be read once only");
    this.#taken = true;
    return this.#items;
  }
}

async function* rest<T>(first: IteratorResult<T>, items: AsyncGenerator<T>, ending: Ending): AsyncGenerator<T, void> {
  try {
    for (let item = first; !item.done; item = await items.next()) {
      if (ending.quiet) return;
      yield item.value;
    }
  } catch (error) {
    if (!ending.quiet) throw error;
  } finally {
    ending.over();
    await items.return(undefined);
  }
}
