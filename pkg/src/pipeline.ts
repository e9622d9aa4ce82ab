// oriel/pipeline: Hugging Face's three lines, on this machine: a task and a model -> a function from text to text.

import { OrielError, load, type Message, type Model, type Source } from "./index.js";
import { assertTask, generation, loadOptions } from "./pipeline/options.js";
import type { Generation, PipelineOptions, TextGenerationOptions } from "./pipeline/options.js";
import { assertOne } from "./pipeline/streaming.js";
import { tokenizerOf, type PipelineTokenizer } from "./pipeline/tokenizer.js";

export { InterruptableStoppingCriteria, TextStreamer } from "./pipeline/streaming.js";
export type { PipelineOptions, TextGenerationOptions } from "./pipeline/options.js";
export type { ProgressInfo } from "./pipeline/progress.js";
export type { TextStreamerOptions } from "./pipeline/streaming.js";
export type { PipelineTokenizer } from "./pipeline/tokenizer.js";

/** One answer: text to a text, the conversation with its new turn to a conversation. */
export interface TextGenerationOutput<T extends string | Message[] = string | Message[]> {
  generated_text: T;
}

type OnlyNew = TextGenerationOptions & { return_full_text: false };

/** A text-generation pipeline: call it with a prompt, a conversation, or several of either. */
export interface TextGenerationPipeline extends AsyncDisposable {
  (prompt: string, options?: TextGenerationOptions): Promise<TextGenerationOutput<string>[]>;
  /** Without the full text, a conversation's answer is a text too. */
  (chat: readonly Message[], options: OnlyNew): Promise<TextGenerationOutput<string>[]>;
  (chat: readonly Message[], options?: TextGenerationOptions): Promise<TextGenerationOutput<Message[]>[]>;
  (prompts: readonly string[], options?: TextGenerationOptions): Promise<TextGenerationOutput<string>[][]>;
  (chats: readonly (readonly Message[])[], options: OnlyNew): Promise<TextGenerationOutput<string>[][]>;
  (
    chats: readonly (readonly Message[])[],
    options?: TextGenerationOptions,
  ): Promise<TextGenerationOutput<Message[]>[][]>;
  readonly task: "text-generation";
  /** The model behind it. */
  readonly model: Model;
  readonly tokenizer: PipelineTokenizer;
  /** Frees the model. */
  dispose(): Promise<void>;
}

/**
 * ```ts
 * const generator = await pipeline("text-generation", "openai-community/gpt2");
 * const [{ generated_text }] = await generator("Hello, I'm a language model,", { max_new_tokens: 20 });
 * ```
 * @param model a name on the hub, or any source that `load` takes
 * @throws OrielError, as `load` does, and `option` for what Hugging Face has and Oriel has not
 */
export async function pipeline(
  task: "text-generation",
  model: Source,
  options?: PipelineOptions,
): Promise<TextGenerationPipeline> {
  assertTask(task);
  const loaded = await load(isHubName(model) ? `hf:${model}` : model, loadOptions(model, options));
  // Bad options and inputs reject, as everything else does.
  const call = async (input: Input, options?: TextGenerationOptions) => generateAll(loaded, input, generation(options));
  const dispose = () => loaded.dispose();
  return Object.assign(call, {
    task,
    model: loaded,
    tokenizer: tokenizerOf(loaded),
    dispose,
    [Symbol.asyncDispose]: dispose,
  }) as TextGenerationPipeline;
}

type Prompt = string | readonly Message[];
type Input = Prompt | readonly string[] | readonly (readonly Message[])[];

/** `owner/name` and nothing more; a path of the page's own server must not be asked of a hub. */
function isHubName(model: Source): model is string {
  if (typeof model !== "string" || /\.(gguf|safetensors)$/i.test(model)) return false;
  return /^(?!\.)[\w.-]+\/(?!\.)[\w.-]+$/.test(model);
}

function isChat(input: unknown): input is Message[] {
  const isMessage = (one: unknown) => typeof one === "object" && one !== null && "role" in one && "content" in one;
  return Array.isArray(input) && input.length > 0 && input.every(isMessage);
}

async function generateAll(model: Model, input: Input, asked: Generation) {
  if (typeof input === "string" || isChat(input)) {
    assertOne(asked.streamer, asked.many);
    return generateEach(model, input, asked);
  }
  const several: readonly unknown[] = Array.isArray(input) ? input : [];
  const sound = several.every((one) => typeof one === "string") || several.every(isChat);
  if (several.length === 0 || !sound) {
    throw new OrielError("option", "pipeline: expected a text, a conversation, or an array of either, not empty");
  }
  assertOne(asked.streamer, several.length * asked.many);
  const answers: TextGenerationOutput[][] = [];
  for (const prompt of several as Prompt[]) answers.push(await generateEach(model, prompt, asked));
  return answers;
}

async function generateEach(model: Model, prompt: Prompt, asked: Generation) {
  const answers: TextGenerationOutput[] = [];
  for (let n = 0; n < asked.many; n += 1) {
    const text = await generate(model, prompt, asked, n);
    answers.push({ generated_text: asked.fullText ? joined(prompt, text) : text });
  }
  return answers;
}

async function generate(model: Model, prompt: Prompt, asked: Generation, n: number): Promise<string> {
  const { sampling, streamer, stopping, signal } = asked;
  const seed = sampling.seed === undefined ? undefined : sampling.seed + n;
  await streamer?.begin(() => (typeof prompt === "string" ? prompt : model.applyTemplate(prompt)));
  const run = model.generate(prompt, { ...sampling, seed, signal });
  const unwatch = stopping?.watch(() => run.stop());
  try {
    if (!streamer) return (await run.result).text;
    let told = 0;
    for await (const { token, text } of run) {
      told += text.length;
      streamer.put(token, text);
    }
    const { text } = await run.result;
    streamer.end(text.slice(told));
    return text;
  } finally {
    unwatch?.();
  }
}

function joined(prompt: Prompt, text: string): string | Message[] {
  return typeof prompt === "string" ? prompt + text : [...prompt, { role: "assistant", content: text }];
}
