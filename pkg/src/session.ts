// A conversation: what was said so far, and the model's next turn.

import type { Client } from "./client.js";
import { OrielError } from "./errors.js";
import { generateOptions, messages, type GenerateOptions, type Message } from "./options.js";
import { Run } from "./run.js";

/** How a conversation begins. */
export interface SessionOptions {
  /** What the model is told before the first turn. */
  system?: string | undefined;
  /** Turns that were taken before. */
  messages?: readonly Message[] | undefined;
}

/**
 * A conversation with a model. The engine keeps the cache of what it computed, so that only what is new in a turn is
 * computed.
 */
export class Session {
  readonly #client: Client;
  #messages: Message[];
  #lastTurn: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(client: Client, options: SessionOptions = {}) {
    const { system, messages: before = [], ...rest } = options;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) {
      throw new OrielError("option", `session: ${unknown} is not an option; supported: system, messages`);
    }
    if (system !== undefined && typeof system !== "string") {
      throw new OrielError("option", "session: system is no text");
    }
    this.#client = client;
    this.#messages = [...(system ? [{ role: "system", content: system }] : []), ...messages(before)];
  }

  /** What was said so far, the system's words first. A turn is added when its answer is complete. */
  get messages(): readonly Message[] {
    return structuredClone(this.#messages);
  }

  /**
   * Says something and streams the answer. Turns wait for each other. A turn that fails or is aborted leaves no trace;
   * one that is ended by `run.stop()` stays, as far as it came.
   */
  send(text: string, options?: GenerateOptions): Run {
    if (typeof text !== "string") throw new OrielError("option", "send: expected a text");
    const checked = generateOptions(options);
    const said: Message = { role: "user", content: text };
    const prompt = this.#lastTurn.then(() => [...this.#messages, said]);
    const run = new Run(this.#client, prompt, checked);
    const keep = run.result.then((result) => {
      this.#messages.push(said, { role: "assistant", content: result.text });
    });
    this.#lastTurn = keep.catch(() => undefined);
    return run;
  }
}
