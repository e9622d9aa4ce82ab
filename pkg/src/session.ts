// A conversation: what was said so far, and the model's next turn.
/// <reference lib="esnext.disposable" preserve="true" />

import type { Client } from "./client.js";
import { OrielError, throwIfAborted, unlessAborted } from "./errors.js";
import { keep, toBytes } from "./kept.js";
import { generateOptions, messages, shortOptions } from "./options.js";
import type { GenerateOptions, Message, ShortOptions } from "./options.js";
import { Run } from "./run.js";

/** How a conversation begins. */
export interface SessionOptions {
  /** What the model is told before the first turn. */
  system?: string | undefined;
  /** Turns that were taken before. */
  messages?: readonly Message[] | undefined;
}

/** What a conversation takes of the context. */
export interface SessionUsage {
  /** Tokens of the conversation as the last turn left it; 0 before the first. */
  tokens: number;
  /** Positions that there are. */
  context: number;
  /** The one over the other, 0 to 1. */
  share: number;
}

/**
 * A conversation with a model. The engine keeps the cache of what it computed, so that only what is new in a turn is
 * computed.
 */
export class Session implements AsyncDisposable {
  readonly #client: Client;
  readonly #context: number;
  readonly #end = new AbortController();
  #tokens = 0;
  #messages: Message[];
  #lastTurn: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(client: Client, context: number, options: SessionOptions = {}, tokens = 0) {
    const { system, messages: before = [], ...rest } = options;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) {
      throw new OrielError("option", `session: ${unknown} is not an option; supported: system, messages`);
    }
    if (system !== undefined && typeof system !== "string") {
      throw new OrielError("option", "session: system is no text");
    }
    this.#client = client;
    this.#context = context;
    this.#tokens = tokens;
    this.#messages = [...(system ? [{ role: "system", content: system }] : []), ...messages(before)];
  }

  /** What was said so far, the system's words first. A turn is added when its answer is complete. */
  get messages(): readonly Message[] {
    return structuredClone(this.#messages);
  }

  /** What the conversation takes of the context; a turn that does not fit it fails with `context-full`. */
  get usage(): SessionUsage {
    return { tokens: this.#tokens, context: this.#context, share: this.#tokens / this.#context };
  }

  /**
   * Says something and streams the answer. Turns wait for each other. A turn that fails or is aborted leaves no trace;
   * one that is ended by `run.stop()` stays, as far as it came.
   */
  send(text: string, options?: GenerateOptions): Run {
    if (typeof text !== "string") throw new OrielError("option", "send: expected a text");
    const { signal, ...checked } = generateOptions(options);
    const ends = this.#orEnd(signal);
    const said: Message = { role: "user", content: text };
    const before = this.#lastTurn;
    const prompt = before.then(() => [...this.#messages, said]);
    const run = new Run(this.#client, prompt, { ...checked, signal: ends });
    const keep = run.result.then((result) => {
      this.#messages.push(said, { role: "assistant", content: result.text });
      this.#tokens = result.usage.promptTokens + result.usage.completionTokens;
    });
    // One that is aborted while it waits ends before those ahead of it.
    this.#lastTurn = Promise.allSettled([before, keep]);
    return run;
  }

  /** Another conversation that goes on from the turns so far; the two know nothing of each other. */
  clone(): Session {
    return new Session(this.#client, this.#context, { messages: this.#messages }, this.#tokens);
  }

  /**
   * The conversation as bytes, with what stands of it in the engine's cache, for `model.restore`; under a name, the browser
   * keeps them for this origin as well, and what was there under that name before stays unless all of it is written.
   * Waits for turns that go on. `storage.sessions` lists and deletes what was kept.
   * @throws OrielError `disposed`; `out-of-memory`; `quota` where the browser has no room; `engine` where it keeps nothing
   */
  async save(name?: string, options?: ShortOptions): Promise<Uint8Array<ArrayBuffer>> {
    if (name !== undefined && (typeof name !== "string" || name === "")) {
      throw new OrielError("option", "save: expected a name, a text that is not empty");
    }
    const signal = this.#orEnd(shortOptions("save", options).signal);
    await unlessAborted(this.#lastTurn, signal);
    throwIfAborted(signal);
    const [messages, tokens] = [structuredClone(this.#messages), this.#tokens];
    // Before the first turn nothing is in the cache.
    const cache = tokens > 0 ? await this.#client.call("save", { messages }, { signal }).done : new Uint8Array();
    const bytes = toBytes({ messages, tokens, cache });
    if (name !== undefined) await keep(name, bytes);
    return bytes;
  }

  /**
   * Ends the conversation: turns that go on or wait, and later ones, reject with `disposed`. The model stays, and what it
   * has in memory of this conversation's cache until others need the room.
   */
  async dispose(): Promise<void> {
    this.#end.abort(new OrielError("disposed", "the session was disposed of"));
    await this.#lastTurn;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #orEnd(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal;
  }
}
