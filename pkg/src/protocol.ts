// What the page and the worker say to each other.

import type { BenchmarkProgress, BenchmarkReport, BenchmarkSizes } from "./benchmark.js";
import type { CheckedOptions, Fit } from "./checking.js";
import type { Chunk, ModelInfo, EngineOptions, Result } from "./engine.js";
import type { WireError } from "./errors.js";
import type { Message, Progress, SamplingOptions } from "./options.js";
import type { Wanted } from "./source.js";

/** A call by name, with what it takes and gives. */
export interface Calls {
  /** The one model of this worker. */
  load: { takes: { wanted: Wanted; options: EngineOptions }; gives: LoadedInfo };
  /** Whether and how a model would run; needs none, and leaves none. */
  check: { takes: { wanted: Wanted; options: CheckedOptions }; gives: Fit };
  /** Chunks come as messages of their own until it is done. */
  generate: { takes: { prompt: string | Message[]; options: SamplingOptions }; gives: Result };
  tokenize: { takes: { text: string }; gives: number[] };
  detokenize: { takes: { tokens: number[] }; gives: string };
  applyTemplate: { takes: { messages: Message[]; addGenerationPrompt: boolean }; gives: string };
  /** How far it has come is told by messages of their own. */
  benchmark: { takes: { sizes: BenchmarkSizes }; gives: BenchmarkReport };
  /** Frees everything; the worker can be ended then. */
  dispose: { takes: object; gives: null };
}

/** What is known once a model is loaded. */
export interface LoadedInfo extends ModelInfo {
  /** Where the model runs, and why there, in words for people. */
  device: "webgpu" | "cpu";
  deviceReason: string;
  /** The most bytes that the core's WebAssembly memory had while loading. */
  wasmBytes: number;
  /** On the processor, bytes of the memory in which weights, cache and activations stand; 0 on a GPU. */
  processorBytes: number;
}

export type CallName = keyof Calls;

/** To the worker. */
export type Request =
  | { [Name in CallName]: { kind: "call"; id: number; name: Name; takes: Calls[Name]["takes"] } }[CallName]
  /** Ends the call by an error, as soon as it can. */
  | { kind: "abort"; id: number }
  /** Ends a generation after the token that it is at; its result is what it has. */
  | { kind: "stop"; id: number };

/** To the page. */
export type Reply =
  | { kind: "progress"; id: number; progress: Progress }
  | { kind: "benchmark"; id: number; progress: BenchmarkProgress }
  | { kind: "chunk"; id: number; chunk: Chunk }
  | { kind: "done"; id: number; gives: Calls[CallName]["gives"] }
  | { kind: "failed"; id: number; error: WireError };
