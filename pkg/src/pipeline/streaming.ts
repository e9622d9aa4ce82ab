// What callers hand in beside the options: who hears the text as it comes, and who may end it.

import { callback, flag, given } from "../given.js";
import { OrielError } from "../index.js";
import type { PipelineTokenizer } from "./tokenizer.js";

/** How a TextStreamer tells of the text. */
export interface TextStreamerOptions {
  /** Leave out the prompt; default false. */
  skip_prompt?: boolean | undefined;
  /** Told each piece of text; by default it goes to the console. */
  callback_function?: ((text: string) => void) | undefined;
  /** Told the tokens behind it, those of the prompt first. */
  token_callback_function?: ((tokens: bigint[]) => void) | undefined;
  /** The texts of special tokens never come with an answer: true is all that it can be. */
  skip_special_tokens?: true | undefined;
}

/**
 * Tells of an answer while it comes:
 * `generator(prompt, { streamer: new TextStreamer(generator.tokenizer, options) })`. A piece
 * ends with a token, not with a word. A class of your own can override `on_finalized_text`.
 */
export class TextStreamer {
  readonly tokenizer: PipelineTokenizer;
  readonly skip_prompt: boolean;
  readonly callback_function: (text: string) => void;
  readonly token_callback_function: ((tokens: bigint[]) => void) | undefined;

  constructor(tokenizer: PipelineTokenizer, options?: TextStreamerOptions) {
    const checked = given("TextStreamer", options, {
      skip_prompt: flag,
      callback_function: callback,
      token_callback_function: callback,
      skip_special_tokens: (value) => (value === true ? undefined : "expected true: they are not part of an answer"),
    });
    this.tokenizer = tokenizer;
    this.skip_prompt = checked.skip_prompt ?? false;
    this.callback_function = checked.callback_function ?? ((text) => console.log(text));
    this.token_callback_function = checked.token_callback_function;
  }

  /** Told each piece of text, and whether it is the last. */
  on_finalized_text(text: string, _stream_end: boolean): void {
    if (text) this.callback_function(text);
  }

  /** @internal The prompt, unless it is skipped. A conversation's is its template's text. */
  async begin(prompt: () => string | Promise<string>): Promise<void> {
    if (this.skip_prompt) return;
    const text = await prompt();
    if (this.token_callback_function) this.token_callback_function((await this.tokenizer.encode(text)).map(BigInt));
    this.on_finalized_text(text, false);
  }

  /** @internal */
  put(token: number, text: string): void {
    this.token_callback_function?.([BigInt(token)]);
    if (text) this.on_finalized_text(text, false);
  }

  /** @internal `rest` was held back, in case a stop string came. */
  end(rest: string): void {
    this.on_finalized_text(rest, true);
  }
}

/** Ends answers from outside: `interrupt()` ends the one that is given after its token, and all after it until `reset()`. */
export class InterruptableStoppingCriteria {
  #interrupted = false;
  #stops = new Set<() => void>();

  get interrupted(): boolean {
    return this.#interrupted;
  }

  interrupt(): void {
    this.#interrupted = true;
    for (const stop of this.#stops) stop();
  }

  reset(): void {
    this.#interrupted = false;
  }

  /** @internal Calls `stop` at an interruption, at once if there was one. Gives the function that ends it. */
  watch(stop: () => void): () => void {
    this.#stops.add(stop);
    if (this.#interrupted) stop();
    return () => void this.#stops.delete(stop);
  }
}

/** A streamer hears one answer. */
export function assertOne(streamer: TextStreamer | undefined, answers: number): void {
  if (!streamer || answers === 1) return;
  throw new OrielError("option", `pipeline: a streamer tells of one answer, and ${answers} are asked for`);
}
