// What a benchmark takes and gives. The report is the object that `oriel bench --json` prints, by the same names.

import type { Adapter } from "./engine.js";
import { callback, checked, signal, whole, type Rule, type Rules } from "./options.js";

/** What is measured. */
export interface BenchmarkSizes {
  /** Lengths of the prompts that are timed, in tokens; default 32, 128, 512. */
  prefill?: readonly number[] | undefined;
  /** Positions in the cache when decoding is timed; default 64, 1024. */
  decode?: readonly number[] | undefined;
  /** Tokens of each answer; default 16. */
  newTokens?: number | undefined;
  /** How often each is timed; default 3. */
  runs?: number | undefined;
}

/** What `benchmark` takes. */
export interface BenchmarkOptions extends BenchmarkSizes {
  /** Ends it: nothing is reported. */
  signal?: AbortSignal | undefined;
  /** Told of every step. */
  onProgress?: ((progress: BenchmarkProgress) => void) | undefined;
}

/** How far a benchmark has come. */
export interface BenchmarkProgress {
  /** What is run: `fill` brings the cache to where decoding is timed. */
  phase: "warm-up" | "prefill" | "fill" | "decode";
  /** Tokens of the prompt that is run or stands in the cache. */
  tokens: number;
  /** From 1 to `runs`. */
  run: number;
  runs: number;
  /** Tokens that were run, and that are to be run, in all. */
  done: number;
  total: number;
  /** Of the timed run that ended with this step. */
  tokens_per_s: number | null;
}

/** Several runs of the same. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** How fast a prompt is taken. What was not timed is null, and `reason` says why. */
export interface PrefillRow {
  tokens: number;
  tokens_per_s: Spread | null;
  /** From the beginning to the first new token. */
  first_token_ms: Spread | null;
  dispatches: number | null;
  submits: number | null;
  reason: string | null;
}

/** How fast new tokens come after some positions. */
export interface DecodeRow extends Partial<PerToken> {
  positions: number;
  tokens_per_s: Spread | null;
  reason: string | null;
}

/** What the device does for a token. */
export interface PerToken {
  dispatches_per_token: number;
  submits_per_token: number;
  readbacks_per_token: number;
  buffers_created_per_token: number;
  bind_groups_created_per_token: number;
  pipelines_created_per_token: number;
  weight_bytes_read_per_token: number;
}

/** How fast a model runs on a device. */
export interface BenchmarkReport extends Partial<PerToken> {
  architecture: string;
  layers: number;
  context: number;
  /** Bytes of weights by format. */
  formats: Record<string, number>;
  weight_bytes: number;
  adapter: Adapter;
  runs: number;
  new_tokens: number;
  /** Of the longest prompt up to 128 tokens that was timed. */
  prefill_tokens_per_s: number | null;
  first_token_ms: number | null;
  /** After the fewest positions that were timed. */
  decode_tokens_per_s: number | null;
  /** Bytes of weights read for a token, over those that there are. */
  weight_read_ratio: number | null;
  gpu_bytes: number;
  gpu_bytes_peak: number;
  /** The most that the WebAssembly memory has had. */
  wasm_bytes: number;
  prefill: PrefillRow[];
  decode: DecodeRow[];
}

const sizes: Rule = (value) =>
  Array.isArray(value) && value.every((size) => whole(size) === undefined)
    ? undefined
    : "expected an array of whole numbers";

const BENCHMARK: Rules<BenchmarkOptions> = {
  prefill: sizes,
  decode: sizes,
  newTokens: whole,
  runs: whole,
  signal,
  onProgress: callback,
};

/** The options of `benchmark`, checked; ranges are the core's to check. */
export function benchmarkOptions(given: BenchmarkOptions | undefined): BenchmarkOptions {
  return checked("benchmark", given, BENCHMARK);
}
