// The core as the worker sees it: what the WebAssembly module gives, in types of our own, so that tests can stand in.

import type { BenchmarkProgress, BenchmarkReport, BenchmarkSizes } from "./benchmark.js";
import type { Asked, Choice } from "./device.js";
import type { CacheChange, Pass } from "./heal.js";
import type { Instructions } from "./machine.js";
import type { Message, Prompt, SamplingOptions } from "./options.js";
import type { Tuning } from "./tunings.js";

/** Where and how a model is to run. */
export interface EngineOptions {
  device: "auto" | "webgpu" | "cpu";
  precision: "auto" | "f32" | "f16" | "q8" | "q4";
  cache: "auto" | "f32" | "f16" | "q8";
  activations: "auto" | "f32" | "int16" | "int8";
  instructions: "auto" | Instructions;
  threads?: number;
  context?: number;
  /** Whether files from the network are kept. */
  storage?: "auto" | "none";
  frameBudget?: number;
  /** Names of kinds, shapes and ways are the core's to check. */
  tuning: "auto" | "start" | Tuning;
}

/** What a loaded model is and where it runs. */
export interface ModelInfo {
  /** `llama`, `gpt2`, `qwen3`, ... */
  architecture: string;
  /** Positions that there is room for. */
  context: number;
  /** Positions that the model was trained for. */
  trainedContext: number;
  layers: number;
  width: number;
  vocab: number;
  /** Bytes of weights by format: `{ q4: 66846720, ... }`. */
  formats: Record<string, number>;
  /** How keys and values are held. */
  cache: "f32" | "f16" | "q8";
  /** Bytes on the device: weights, cache and activations. */
  gpuBytes: number;
  adapter: Adapter;
  /** Which kernels are taken; null where the processor computes. */
  tuning: Tuning | null;
  /** Whether they were measured by this load. */
  tuned: boolean;
  /** What the load would have people know. */
  notice: string | null;
  /** Whether the model brings a chat template. */
  chat: boolean;
}

/** What computes. Browsers keep some of it to themselves. */
export interface Adapter {
  name: string;
  backend: string;
  /** `discrete`, `integrated`, `virtual`, `software` or `other` */
  kind: string;
  driver: string;
  /** Which variants of kernels were measured to be the fastest. */
  variants: string;
  /** Whether kernels can be timed on the device's own clock. */
  timestamps: boolean;
  /** Whether kernels may use subgroups. */
  subgroups: boolean;
}

/** One token and the text that it completes; the text may be empty. */
export interface Chunk {
  text: string;
  token: number;
  /** The token's log-probability, where `logprobs` or `topLogprobs` asks for it. */
  logprob?: number;
  /** The likeliest tokens in its place, the likeliest first: as many as `topLogprobs` asks for. */
  topLogprobs?: TokenLogprob[];
}

/** A token that might have been chosen. */
export interface TokenLogprob {
  token: number;
  /** What it would have added to the text; bytes that are no whole character show as U+FFFD. */
  text: string;
  logprob: number;
}

/** Why a generation ended: the model or a stop string; `maxTokens` or a full context; `run.stop()`. */
export type FinishReason = "stop" | "length" | "abort";

/** Tokens that went in and came out. */
export interface Usage {
  promptTokens: number;
  /** Those of the prompt that stood in the cache already. */
  cachedTokens: number;
  completionTokens: number;
}

/** How long it took. */
export interface Timings {
  /** From the start to the end of the prompt. */
  prefillMs: number;
  /** From the start to the first token. */
  firstTokenMs: number;
  /** From the first token to the last. */
  decodeMs: number;
  /** Prompt tokens computed in a second; those from the cache don't count. */
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
}

/** What a generation came to. */
export interface Result {
  text: string;
  tokens: number[];
  finishReason: FinishReason;
  usage: Usage;
  timings: Timings;
}

/** How tokens are chosen, as the core takes it. */
export interface EngineSampling extends Omit<SamplingOptions, "logitBias" | "logprobs" | "stop"> {
  logitBias?: (readonly [token: number, bias: number])[];
  stop?: readonly string[];
}

/** A model on its way in. `free` lets go of everything that it took. */
export interface EngineLoading {
  sideFile(name: string, bytes: Uint8Array): void;
  /** The weight files that are to come, in order. */
  wanted(): string[];
  begin(name: string, length?: number): void;
  push(bytes: Uint8Array): void;
  /** Until the device has taken what was pushed. */
  settle(): Promise<void>;
  end(): void;
  /** Bytes that the device has given so far. */
  heldBytes(): number;
  /** Nothing can be added after it; `free` still has to be called where it fails. */
  finish(): Promise<EngineModel>;
  free(): void;
}

/** The heads of a model's files: what it would take. */
export interface EngineHeads {
  sideFile(name: string, bytes: Uint8Array): void;
  wanted(): string[];
  begin(name: string, length?: number): void;
  /** Whether the head is whole: nothing more of the file is wanted. */
  push(bytes: Uint8Array): boolean;
  /** The file ended before its head did: throws. */
  end(): void;
  /**
   * `limit`: bytes that the GPU binds at once, or that the processor has in all; `room`: bytes in all, where they are known.
   * Uses the heads up.
   */
  survey(options: SurveyOptions, onProcessor: boolean, limit: number, room?: number): Survey;
  free(): void;
}

/** What decides how much a model takes. */
export type SurveyOptions = Pick<EngineOptions, "precision" | "cache" | "context">;

/** What a model would take. */
export interface Survey {
  /** Positions that room would be made for. */
  context: number;
  /** The most that fit, at most those that the model was trained for; 0 where the model itself does not fit. */
  maxContext: number;
  /** Weights, cache and activations, with that context. */
  gpuBytes: number;
  /** Bytes of weights that a token reads. */
  tokenBytes: number;
}

/** A loaded model. One call at a time. */
export interface EngineModel {
  info(): ModelInfo;
  tokenize(text: string): Uint32Array;
  detokenize(tokens: Uint32Array): string;
  applyTemplate(messages: readonly Message[], addGenerationPrompt: boolean): string;
  /** Begins a generation, or takes one up after the tokens `resume`. It goes by `id` until its `end`. */
  start(id: number, prompt: Prompt, options: EngineSampling & { resume?: number[] }): void;
  /** One step; undefined when the generation has ended. A step that yields no token yet has none. */
  next(id: number): Promise<Partial<Chunk> | undefined>;
  /** By which passes the cache came to hold what it holds, as far as that has changed since the last call. */
  changed(): CacheChange | undefined;
  /** Takes over what stood in the cache of another engine. */
  restore(passes: Pass[]): Promise<void>;
  /** What the generation has come to so far; without a reason where it has not ended. */
  result(id: number): Omit<Result, "finishReason"> & { finishReason: Result["finishReason"] | null };
  /** Forgets a generation. */
  end(id: number): void;
  /** What stands in the cache, or was kept, of a conversation. */
  save(messages: readonly Message[]): Promise<Uint8Array>;
  /** Takes that into the cache: how many positions it was. */
  loadCache(bytes: Uint8Array): Promise<number>;
  /** Begins a benchmark; one that was going on is dropped. */
  startBenchmark(options: BenchmarkSizes): Promise<void>;
  /** One step; undefined when it has ended. */
  stepBenchmark(): Promise<BenchmarkProgress | undefined>;
  benchmarkReport(): BenchmarkReport;
  free(): void;
}

/** The module. */
export interface Engine {
  open(options: EngineOptions): Promise<EngineLoading>;
  /** For what a model would take, without one. */
  heads(): EngineHeads;
  /** Where a model would run. */
  choose(asked: Asked): Promise<Choice>;
  /** Bytes of weights a second that a model is multiplied by there: measured, or remembered; 0 where that failed. */
  speed(choice: Choice): Promise<number>;
  /** Where the model runs that was opened. */
  choice(): Choice | undefined;
  /** Bytes of the module's memory; it never shrinks, so this is also the most that it had. */
  memoryBytes(): number;
  /** Bytes of the memory of the processor's module: weights, cache and all; 0 on a GPU. */
  processorBytes(): number;
  /** The most bytes that it can have, once a load has failed for want of them. */
  mostProcessorBytes(): number;
}

/** Starts the module; each worker does it once. */
export type StartEngine = () => Promise<Engine>;
