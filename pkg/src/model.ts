// A loaded model: what it is, and what can be asked of it.
/// <reference lib="esnext.disposable" preserve="true" />

import { benchmarkOptions, type BenchmarkOptions, type BenchmarkReport } from "./benchmark.js";
import type { Client } from "./client.js";
import { OrielError, unlessAborted } from "./errors.js";
import { fromBytes, kept } from "./kept.js";
import { chatOf, completionsOf } from "./openai/faces.js";
import type { Chat, Completions } from "./openai/types.js";
import {
  generateOptions,
  messages as checkedMessages,
  prompt as checkedPrompt,
  restoreOptions,
  shortOptions,
  templateOptions,
  tokens as checkedTokens,
  type GenerateOptions,
  type Message,
  type RestoreOptions,
  type ShortOptions,
  type TemplateOptions,
} from "./options.js";
import type { LoadedInfo, Memory } from "./protocol.js";
import { Run } from "./run.js";
import { Session, type SessionOptions } from "./session.js";
import type { Tuning } from "./tunings.js";

/** What a saved cache may be refused for. */
const REFUSALS: readonly string[] = ["model-mismatch", "context-full"];

/** A model in its worker. Calls may overlap: they take turns. */
export class Model implements AsyncDisposable {
  /** What the model is and where it runs. */
  readonly info: LoadedInfo;
  /** `chat.completions.create(body, { signal })`: a conversation in OpenAI's shape. */
  readonly chat: Chat = chatOf(this);
  /** `completions.create(body, { signal })`: the continuation of a text in OpenAI's shape. */
  readonly completions: Completions = completionsOf(this);
  readonly #client: Client;

  /** @internal */
  constructor(client: Client, info: LoadedInfo) {
    this.#client = client;
    this.info = info;
  }

  /** Which kernels are taken, for the option `tuning` of another load; null where the processor computes. */
  get tuning(): Tuning | null {
    return this.info.tuning;
  }

  /**
   * Continues a text or tokens (as they are: nothing is put before them), or answers a conversation by the model's chat
   * template.
   */
  generate(prompt: string | readonly number[] | readonly Message[], options?: GenerateOptions): Run {
    return new Run(this.#client, Promise.resolve(checkedPrompt(prompt)), generateOptions(options));
  }

  /** Begins a conversation. */
  session(options?: SessionOptions): Session {
    return new Session(this.#client, this.info.context, options);
  }

  /**
   * A conversation that was saved, as bytes or under a name, goes on: what stood of it in the cache does again, so that its
   * next turn computes only what is new.
   * @throws OrielError `not-found` for a name that nothing was saved under, `file-damaged`, `unsupported` for what another
   * version of Oriel saved; `model-mismatch` where it was saved with another model, kind of device or format of the cache,
   * and `context-full` where it has more positions than there are. With `recompute` these two take the messages alone.
   */
  async restore(saved: string | Uint8Array, options?: RestoreOptions): Promise<Session> {
    const { signal, recompute = false } = restoreOptions(options);
    if ((typeof saved !== "string" || saved === "") && !(saved instanceof Uint8Array)) {
      throw new OrielError("option", "restore: expected a name or the bytes that save gave");
    }
    const found = typeof saved === "string" ? kept(saved) : Promise.resolve(saved);
    const { messages, tokens, cache } = fromBytes(await unlessAborted(found, signal));
    if (cache.length > 0) {
      await this.#client.call("loadCache", { bytes: cache }, { signal }).done.catch((error: OrielError) => {
        if (!recompute || !REFUSALS.includes(error.code)) throw error;
      });
    }
    return new Session(this.#client, this.info.context, { messages }, tokens);
  }

  /**
   * Measures how fast the model runs here: the middle of several runs of prompts of some lengths and of answers after
   * some positions, and what the device does for a token. Takes its turn among generations.
   */
  async benchmark(options?: BenchmarkOptions): Promise<BenchmarkReport> {
    const { signal, onProgress, ...sizes } = benchmarkOptions(options);
    return this.#client.call("benchmark", { sizes }, { signal, onBenchmark: onProgress }).done;
  }

  /** The bytes that the model holds now; `info` has what it held once it was loaded. */
  async memory(options?: ShortOptions): Promise<Memory> {
    return this.#client.call("memory", {}, shortOptions("memory", options)).done;
  }

  /** The tokens of a text, as `generate` would read it. */
  async tokenize(text: string, options?: ShortOptions): Promise<number[]> {
    if (typeof text !== "string") throw new OrielError("option", "tokenize: expected a text");
    return this.#client.call("tokenize", { text }, shortOptions("tokenize", options)).done;
  }

  /** The text of tokens, special ones included. */
  async detokenize(tokens: Iterable<number>, options?: ShortOptions): Promise<string> {
    const given = checkedTokens("detokenize", tokens);
    return this.#client.call("detokenize", { tokens: given }, shortOptions("detokenize", options)).done;
  }

  /** A conversation as the text that the model reads, by its chat template. */
  async applyTemplate(messages: readonly Message[], options?: TemplateOptions): Promise<string> {
    const { addGenerationPrompt = true, ...listener } = templateOptions(options);
    const takes = { messages: checkedMessages(messages), addGenerationPrompt };
    return this.#client.call("applyTemplate", takes, listener).done;
  }

  /** Frees the model, on its device too. What is going on rejects with `disposed`. */
  dispose(): Promise<void> {
    return this.#client.close(new OrielError("disposed", "the model was disposed of"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
