// Hugging Face's names -> ours: of a load and of a generation. What has no counterpart is refused by name.

import { callback, count, flag, given, instance, number, oneOf, show, signal, texts, whole, type Rules } from "../given.js";
import { OrielError, type LoadOptions, type SamplingOptions, type Source } from "../index.js";
import { onProgress, type ProgressInfo } from "./progress.js";
import { InterruptableStoppingCriteria, TextStreamer } from "./streaming.js";

/** How a pipeline is made: transformers.js' names, and all that `load` takes besides. */
export interface PipelineOptions extends Omit<LoadOptions, "device"> {
  /** `gpu` is `webgpu`, `wasm` is `cpu`. */
  device?: "auto" | "webgpu" | "gpu" | "cpu" | "wasm" | undefined;
  /** What float matrices become; `auto` keeps what a quantised file has. */
  dtype?: "auto" | "fp32" | "fp16" | "q8" | "q4" | undefined;
  /** Told how the load goes on, in transformers.js' words. */
  progress_callback?: ((progress: ProgressInfo) => void) | undefined;
}

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
  /** Hears the answer while it comes; there must be one only. */
  streamer?: TextStreamer | undefined;
  /** Ends the answer when it is interrupted; what there is is returned. */
  stopping_criteria?: InterruptableStoppingCriteria | undefined;
  /** Makes sampling repeatable; answer n of several takes seed + n. */
  seed?: number | undefined;
  /** Aborts the call, which throws. */
  signal?: AbortSignal | undefined;
}

const PRECISIONS = { auto: "auto", fp32: "f32", fp16: "f16", q8: "q8", q4: "q4" } as const;
const DEVICES = { auto: "auto", webgpu: "webgpu", gpu: "webgpu", cpu: "cpu", wasm: "cpu" } as const;

/** The options of `load`; it checks its own. */
export function loadOptions(model: Source, options: PipelineOptions = {}): LoadOptions {
  if (typeof options !== "object" || options === null) {
    throw new OrielError("option", `pipeline: expected an object of options, found ${show(options)}`);
  }
  const { device, dtype, progress_callback, ...rest } = options;
  const checked = given("pipeline", { device, dtype, progress_callback } satisfies PipelineOptions, {
    device: oneOf(...Object.keys(DEVICES)),
    dtype: oneOf(...Object.keys(PRECISIONS)),
    progress_callback: callback,
  });
  if (checked.dtype !== undefined && rest.precision !== undefined) {
    throw new OrielError("option", "pipeline: dtype and precision are the same; give one of them");
  }
  if (checked.progress_callback && rest.onProgress) {
    throw new OrielError("option", "pipeline: progress_callback and onProgress are the same; give one of them");
  }
  return {
    ...rest,
    ...(checked.device ? { device: DEVICES[checked.device] } : {}),
    ...(checked.dtype ? { precision: PRECISIONS[checked.dtype] } : {}),
    ...(checked.progress_callback ? { onProgress: onProgress(model, checked.progress_callback) } : {}),
  };
}

const GENERATION: Rules<TextGenerationOptions> = {
  max_new_tokens: whole,
  do_sample: flag,
  temperature: number,
  top_k: whole,
  top_p: number,
  min_p: number,
  repetition_penalty: number,
  num_return_sequences: count,
  return_full_text: flag,
  stop_strings: texts,
  streamer: instance(TextStreamer, "a TextStreamer of oriel/pipeline"),
  stopping_criteria: instance(InterruptableStoppingCriteria, "an InterruptableStoppingCriteria of oriel/pipeline"),
  seed: whole,
  signal,
};

const NAMES = {
  max_new_tokens: "maxTokens",
  temperature: "temperature",
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  repetition_penalty: "repetitionPenalty",
  stop_strings: "stop",
  seed: "seed",
} as const satisfies Partial<Record<keyof TextGenerationOptions, keyof SamplingOptions>>;

/** Options that matter only where tokens are drawn. */
const DRAWING: ReadonlySet<string> = new Set(["temperature", "top_k", "top_p", "min_p", "seed"]);

/** A call's options, understood. */
export interface Generation {
  sampling: SamplingOptions;
  /** How many answers to each prompt. */
  many: number;
  fullText: boolean;
  streamer: TextStreamer | undefined;
  stopping: InterruptableStoppingCriteria | undefined;
  signal: AbortSignal | undefined;
}

const DEFAULTS = { max_new_tokens: 256, temperature: 0.7, top_k: 50 };

export function generation(options: TextGenerationOptions | undefined): Generation {
  const checked = given("pipeline", options, GENERATION);
  const { do_sample: draw = true, num_return_sequences: many = 1, return_full_text: fullText = true } = checked;
  if (many > 1 && !draw) {
    throw new OrielError("option", "pipeline: num_return_sequences above 1 needs do_sample, or all would be the same");
  }
  const sampling: Record<string, unknown> = draw ? {} : { temperature: 0 };
  const all: TextGenerationOptions = { ...DEFAULTS, ...checked };
  for (const [theirs, ours] of Object.entries(NAMES)) {
    const value = all[theirs as keyof typeof NAMES];
    if (value !== undefined && (draw || !DRAWING.has(theirs))) sampling[ours] = value;
  }
  const { streamer, stopping_criteria: stopping, signal } = checked;
  return { sampling, many, fullText, streamer, stopping, signal };
}

/** @throws OrielError `option` for a task that there is no pipeline for */
export function assertTask(task: unknown): void {
  if (task === "text-generation") return;
  throw new OrielError("option", `pipeline: task ${show(task)} is not supported; supported: "text-generation"`);
}
