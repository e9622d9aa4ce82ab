// What a benchmark takes and gives. The report is the object that `oriel bench --json` prints, by the same names.

import type { Adapter } from "./engine.js";
import { callback, checked, flag, signal, whole, type Rule, type Rules } from "./options.js";
import type { Tuning } from "./tunings.js";

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
  /** Whether each dispatch of a pass is timed too, where the device gives timestamps (`adapter.timestamps`). */
  profile?: boolean | undefined;
  /** Whether each kernel is held against what the adapter gives at best. */
  roofline?: boolean | undefined;
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
  /** What is run: `fill` brings the cache to where decoding is timed; the last three take the closer looks. */
  phase: "warm-up" | "prefill" | "fill" | "decode" | "profile" | "probe" | "roofline";
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

/** Dispatches of one kernel over equal shapes, in a pass. */
export interface KernelRow {
  kernel: string;
  /** What it was compiled with. */
  variant: string;
  /** Of its matrix. */
  format: string | null;
  shape: string;
  /** Microseconds that one takes. */
  us: number;
  times: number;
  /** Of the pass's time, from 0 to 1. */
  time_share: number;
  /** Bytes that one has to move, and multiply-adds. */
  bytes: number;
  operations: number;
}

/** One dispatch, on the device's own clock. */
export interface KernelTime {
  /** What is computed: `blk.3.qkv`. */
  name: string;
  kernel: string;
  variant: string;
  format: string | null;
  shape: string;
  bytes_read: number;
  bytes_written: number;
  operations: number;
  /** After the first began. */
  start_us: number;
  us: number;
}

/** A pass of so many tokens after `position` cached ones, as a whole: one token is decoding. */
export interface Pass {
  rows: number;
  position: number;
  /** An ordinary run of it. */
  run_us: number;
}

/** Where the time of a pass goes. */
export interface Profile extends Pass {
  kernels: KernelRow[];
  dispatches: KernelTime[];
}

/** A kernel against the tightest bound that the adapter sets. */
export interface BoundedKernel extends KernelRow {
  bound: "bandwidth" | "arithmetic" | "dispatch";
  bound_us: number;
  /** `bound_us` over `us`. */
  share: number;
}

/** What the adapter gives at best, and what the kernels make of it. */
export interface Roofline {
  probes: {
    read_bytes_per_s: number;
    /** Multiply-adds a second: of f32; of weights by format; of packed i8, where the browser knows them. */
    f32_per_s: number;
    weights_per_s: Record<string, number>;
    packed_per_s: number | null;
    dispatch_us: number;
    submit_us: number;
    readback_us: number;
  };
  passes: (Pass & { kernels: BoundedKernel[] })[];
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
  /** Which kernels were taken; null where the processor computes. */
  tuning: Tuning | null;
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
  /** The most that WebAssembly's memory has had; on the processor with the weights and all. */
  wasm_bytes: number;
  prefill: PrefillRow[];
  decode: DecodeRow[];
  /** Of a token and of a prompt, where it was asked for. */
  profiles?: Profile[];
  roofline?: Roofline;
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
  profile: flag,
  roofline: flag,
  signal,
  onProgress: callback,
};

/** The options of `benchmark`, checked; ranges are the core's to check. */
export function benchmarkOptions(given: BenchmarkOptions | undefined): BenchmarkOptions {
  return checked("benchmark", given, BENCHMARK);
}
