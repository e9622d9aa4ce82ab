// A model of ours -> a language model as the AI SDK specifies it, version 4.

import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from "@ai-sdk/provider";
import type { Chunk, FinishReason, Model, Result, Run, Usage } from "../index.js";
import { understood } from "./call.js";

/** The one block of text that an answer is. */
const BLOCK = "0";

export class OrielLanguageModel implements LanguageModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = "oriel";
  readonly modelId: string;
  /** Nothing is fetched by its address: there is only text. */
  readonly supportedUrls = {};
  readonly #model: () => PromiseLike<Model>;

  /** @internal */
  constructor(modelId: string, model: () => PromiseLike<Model>) {
    this.modelId = modelId;
    this.#model = model;
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const run = await this.#run(options);
    const chunks: Chunk[] = [];
    for await (const chunk of run) chunks.push(chunk);
    const result = await run.result;
    return {
      content: result.text ? [{ type: "text", text: result.text }] : [],
      ...ending(result, chunks),
      response: this.#response(),
      warnings: [],
    };
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const run = await this.#run(options);
    const chunks = run[Symbol.asyncIterator]();
    // A call that fails does so before there is a stream.
    const first = await chunks.next();
    const parts = this.#parts(run, chunks, first, options.includeRawChunks ?? false);
    const stream = new ReadableStream<LanguageModelV4StreamPart>({
      async pull(controller) {
        try {
          const { done, value } = await parts.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          if (options.abortSignal?.aborted) return controller.error(error);
          controller.enqueue({ type: "error", error });
          controller.close();
        }
      },
      cancel: () => run.stop(),
    });
    return { stream };
  }

  /** Loads the model if it is not there yet; a call that is given up does not end the load, which others may wait for. */
  async #run(options: LanguageModelV4CallOptions): Promise<Run> {
    const call = understood(options);
    const { abortSignal: signal } = options;
    signal?.throwIfAborted();
    const model = await unlessAborted(this.#model(), signal);
    return model.generate(call.messages, call.options);
  }

  #response() {
    const random = crypto.getRandomValues(new Uint32Array(2));
    const id = `oriel-${Array.from(random, (word) => word.toString(16).padStart(8, "0")).join("")}`;
    return { id, timestamp: new Date(), modelId: this.modelId };
  }

  async *#parts(
    run: Run,
    chunks: AsyncIterator<Chunk>,
    first: IteratorResult<Chunk>,
    raw: boolean,
  ): AsyncGenerator<LanguageModelV4StreamPart, void> {
    yield { type: "stream-start", warnings: [] };
    yield { type: "response-metadata", ...this.#response() };
    const heard: Chunk[] = [];
    let told = "";
    const tell = function* (delta: string): Generator<LanguageModelV4StreamPart> {
      if (!delta) return;
      if (!told) yield { type: "text-start", id: BLOCK };
      told += delta;
      yield { type: "text-delta", id: BLOCK, delta };
    };
    for (let item = first; !item.done; item = await chunks.next()) {
      heard.push(item.value);
      if (raw) yield { type: "raw", rawValue: item.value };
      yield* tell(item.value.text);
    }
    const result = await run.result;
    yield* tell(result.text.slice(told.length));
    if (told) yield { type: "text-end", id: BLOCK };
    yield { type: "finish", ...ending(result, heard) };
  }
}

/** What an answer came to. */
function ending({ finishReason, usage, timings }: Result, chunks: Chunk[]) {
  const likely = chunks.filter((chunk) => "logprob" in chunk);
  const metadata = { timings: { ...timings }, ...(likely.length > 0 ? { logprobs: likely } : {}) };
  return {
    finishReason: { unified: REASONS[finishReason], raw: finishReason },
    usage: used(usage),
    providerMetadata: { oriel: metadata } as unknown as SharedV4ProviderMetadata,
  };
}

const REASONS: Record<FinishReason, LanguageModelV4FinishReason["unified"]> = {
  stop: "stop",
  length: "length",
  abort: "other",
};

function used(usage: Usage): LanguageModelV4Usage {
  const { promptTokens: total, cachedTokens: cacheRead, completionTokens } = usage;
  return {
    inputTokens: { total, noCache: total - cacheRead, cacheRead, cacheWrite: undefined },
    outputTokens: { total: completionTokens, text: completionTokens, reasoning: 0 },
    raw: { ...usage },
  };
}

function unlessAborted<T>(promise: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).then(() => signal?.removeEventListener("abort", onAbort));
  });
}
