// A generation in progress: its chunks as they come, and what it came to.

import type { Client } from "./client.js";
import type { Chunk, EngineSampling, Result } from "./engine.js";
import { toOrielError, unlessAborted, type OrielError } from "./errors.js";
import type { GenerateOptions, Prompt, SamplingOptions } from "./options.js";

/**
 * A generation. It runs whether it is read or not; reading it gives every chunk from the first, and leaving the loop
 * early stops it.
 *
 * ```ts
 * for await (const chunk of run) output.textContent += chunk.text;
 * const { finishReason, usage, timings } = await run.result;
 * ```
 */
export class Run implements AsyncIterable<Chunk> {
  /** What the generation came to. Rejects with an OrielError if it failed or was aborted. */
  readonly result: Promise<Result>;

  readonly #client: Client;
  readonly #chunks: Chunk[] = [];
  #id: number | undefined;
  #stopped = false;
  #ended = false;
  #error: OrielError | undefined;
  #wake: (() => void)[] = [];

  /** @internal `prompt` may come later: a chat's next turn waits for the one before. */
  constructor(client: Client, prompt: Promise<Prompt>, { signal, ...asked }: GenerateOptions) {
    this.#client = client;
    const options = settled(asked);
    const onChunk = (chunk: Chunk) => {
      this.#chunks.push(chunk);
      this.#awake();
    };
    this.result = unlessAborted(prompt, signal)
      .then((prompt) => {
        const { id, done } = client.call("generate", { prompt, options }, { signal, onChunk });
        this.#id = id;
        if (this.#stopped) client.stop(id);
        return done;
      })
      .catch((error: unknown) => {
        this.#error = toOrielError(error);
        throw this.#error;
      });
    const end = () => {
      this.#ended = true;
      this.#awake();
    };
    // Also keeps a failure that only the iterator's reader looks at from being reported as unhandled.
    this.result.then(end, end);
  }

  /**
   * Ends the generation after the token that it is at. `result` then has what there is, with the reason `abort` unless it
   * had ended by itself.
   */
  stop(): void {
    this.#stopped = true;
    if (this.#id !== undefined) this.#client.stop(this.#id);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void> {
    try {
      for (let at = 0; ;) {
        const chunk = this.#chunks[at];
        if (chunk) {
          at += 1;
          yield chunk;
        } else if (this.#error) throw this.#error;
        else if (this.#ended) return;
        else await new Promise<void>((wake) => this.#wake.push(wake));
      }
    } finally {
      if (!this.#ended) this.stop();
    }
  }

  #awake(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** As the core takes them. Without a seed, each generation draws its own. */
function settled(options: SamplingOptions): EngineSampling {
  const { seed = crypto.getRandomValues(new Uint32Array(1))[0], stop = [], logitBias, logprobs, ...rest } = options;
  const topLogprobs = rest.topLogprobs ?? (logprobs ? 0 : undefined);
  return {
    ...rest,
    seed,
    stop: typeof stop === "string" ? [stop] : stop,
    ...(logitBias && { logitBias: Object.entries(logitBias).map(([token, bias]) => [Number(token), bias] as const) }),
    ...(topLogprobs !== undefined && { topLogprobs }),
  };
}
