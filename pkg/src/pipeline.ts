// Hugging Face's three lines, on this machine: a task and a model -> a function from text to text.

import {
  OrielError,
  load,
  type LoadOptions,
  type Message,
  type Model,
  type SamplingOptions,
  type Source,
} from "./index.js";

/** The options of a text-generation call, named and preset as Hugging Face's pipeline has them. */
export interface TextGenerationOptions {
  /** The most new tokens; default 256. */
  max_new_tokens?: number | undefined;
  /** Sample, or take the likeliest token each time; default true. */
  do_sample?: boolean | undefined;
  /** Default 0.7. */
  temperature?: number | undefined;
  /** Default 50; 0 for all. */
  top_k?: number | undefined;
  top_p?: number | undefined;
  min_p?: number | undefined;
  repetition_penalty?: number | undefined;
  /** How many answers to each prompt; default 1. */
  num_return_sequences?: number | undefined;
  /** Whether `generated_text` begins with the prompt; default true. */
  return_full_text?: boolean | undefined;
  /** Ends the text before one of these. */
  stop_strings?: string | string[] | undefined;
  /** Makes sampling repeatable; answer n of several takes seed + n. */
  seed?: number | undefined;
  /** Aborts the call. */
  signal?: AbortSignal | undefined;
}

/** One answer: text to a text, the conversation with its new turn to a conversation. */
export interface TextGenerationOutput<T extends string | Message[] = string | Message[]> {
  generated_text: T;
}

/** A text-generation pipeline: call it with a prompt, a conversation, or several of either. */
export interface TextGenerationPipeline {
  (prompt: string, options?: TextGenerationOptions): Promise<TextGenerationOutput<string>[]>;
  (chat: Message[], options?: TextGenerationOptions): Promise<TextGenerationOutput<Message[]>[]>;
  (prompts: string[], options?: TextGenerationOptions): Promise<TextGenerationOutput<string>[][]>;
  (chats: Message[][], options?: TextGenerationOptions): Promise<TextGenerationOutput<Message[]>[][]>;
  /** The model behind it. */
  readonly model: Model;
  /** Frees the model. */
  dispose(): Promise<void>;
}

/**
 * ```ts
 * const generator = await pipeline("text-generation", "openai-community/gpt2");
 * const [{ generated_text }] = await generator("Hello, I'm a language model,", { max_new_tokens: 20 });
 * ```
 * @param model a name on the hub, or any source that `load` takes
 */
export async function pipeline(
  task: "text-generation",
  model: Source,
  options?: LoadOptions,
): Promise<TextGenerationPipeline> {
  if (task !== "text-generation") {
    throw new OrielError(
      "option",
      `pipeline: task ${JSON.stringify(task)} is not supported; supported: "text-generation"`,
    );
  }
  const loaded = await load(isHubName(model) ? `hf:${model}` : model, options);
  const call = (input: string | string[] | Message[] | Message[][], options?: TextGenerationOptions) =>
    generateAll(loaded, input, settled(options));
  return Object.assign(call, { model: loaded, dispose: () => loaded.dispose() }) as TextGenerationPipeline;
}

const DEFAULTS = {
  max_new_tokens: 256,
  do_sample: true,
  temperature: 0.7,
  top_k: 50,
  num_return_sequences: 1,
  return_full_text: true,
};

type Settled = Omit<TextGenerationOptions, keyof typeof DEFAULTS> & typeof DEFAULTS;

/** `owner/name` and nothing more; a path of the page's own server must not be asked of a hub. */
function isHubName(model: Source): model is string {
  if (typeof model !== "string" || /\.(gguf|safetensors)$/i.test(model)) return false;
  return /^(?!\.)[\w.-]+\/(?!\.)[\w.-]+$/.test(model);
}

/** The options over the defaults; what is undefined does not hide one. */
function settled(options: TextGenerationOptions = {}): Settled {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(given) };
}

async function generateAll(model: Model, input: string | string[] | Message[] | Message[][], options: Settled) {
  const prompts = Array.isArray(input) && (typeof input[0] === "string" || Array.isArray(input[0]));
  if (!prompts) return generateEach(model, input as string | Message[], options);
  const answers: TextGenerationOutput[][] = [];
  for (const prompt of input as (string | Message[])[]) answers.push(await generateEach(model, prompt, options));
  return answers;
}

async function generateEach(model: Model, prompt: string | Message[], options: Settled) {
  const { num_return_sequences: many, return_full_text: full, signal, ...rest } = options;
  if (!Number.isSafeInteger(many) || many < 1) {
    throw new OrielError("option", `pipeline: num_return_sequences is ${many}; expected a whole number, 1 or more`);
  }
  if (many > 1 && !options.do_sample) {
    throw new OrielError("option", "pipeline: num_return_sequences above 1 needs do_sample, or all would be the same");
  }
  const sampling = translated(rest);
  const answers: TextGenerationOutput[] = [];
  for (let n = 0; n < many; n += 1) {
    const seed = sampling.seed === undefined ? undefined : sampling.seed + n;
    const { text } = await model.generate(prompt, { ...sampling, seed, signal }).result;
    answers.push({ generated_text: full ? joined(prompt, text) : text });
  }
  return answers;
}

function joined(prompt: string | Message[], text: string): string | Message[] {
  return typeof prompt === "string" ? prompt + text : [...prompt, { role: "assistant", content: text }];
}

type Sampling = Omit<Settled, "num_return_sequences" | "return_full_text" | "signal">;

const NAMES: Record<Exclude<keyof Sampling, "do_sample">, keyof SamplingOptions> = {
  max_new_tokens: "maxTokens",
  temperature: "temperature",
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  repetition_penalty: "repetitionPenalty",
  stop_strings: "stop",
  seed: "seed",
};

/** Options that matter only where tokens are drawn. */
const DRAWING: ReadonlySet<string> = new Set(["temperature", "top_k", "top_p", "min_p", "seed"]);

/** Hugging Face's names as ours; an unknown one throws. */
function translated({ do_sample: draw, ...rest }: Sampling): SamplingOptions {
  if (typeof draw !== "boolean")
    throw new OrielError("option", `pipeline: do_sample is ${draw}; expected true or false`);
  const sampling: Record<string, unknown> = draw ? {} : { temperature: 0 };
  for (const [name, value] of Object.entries(rest)) {
    if (!Object.hasOwn(NAMES, name)) {
      const known = ["do_sample", ...Object.keys(NAMES), "num_return_sequences", "return_full_text", "signal"];
      throw new OrielError("option", `pipeline: ${name} is not an option; supported: ${known.join(", ")}`);
    }
    if (draw || !DRAWING.has(name)) sampling[NAMES[name as keyof typeof NAMES]] = value;
  }
  return sampling;
}
