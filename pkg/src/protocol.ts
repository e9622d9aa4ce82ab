// What the page and the worker say to each other.

import type { BenchmarkProgress, BenchmarkReport, BenchmarkSizes } from "./benchmark.js";
import type { CheckedOptions, Fit } from "./checking.js";
import type { Chunk, EngineOptions, EngineSampling, ModelInfo, Result } from "./engine.js";
import type { WireError } from "./errors.js";
import type { CacheChange, Pass } from "./heal.js";
import type { Message, Progress, Prompt } from "./options.js";
import type { RequestNote } from "./requests.js";
import type { Wanted } from "./source.js";

/** A call by name, with what it takes and gives. */
export interface Calls {
  /** The one model of this worker. */
  load: { takes: { wanted: Wanted; options: EngineOptions }; gives: LoadedInfo };
  /** Whether and how a model would run; needs none, and leaves none. */
  check: { takes: { wanted: Wanted; options: CheckedOptions }; gives: Fit };
  /** Chunks come as messages of their own until it is done; only those after `resume`, the tokens that there were before. */
  generate: { takes: { prompt: Prompt; options: EngineSampling; resume?: number[] }; gives: Result };
  /** Takes over the cache of another worker's model: the passes are made again where there is a use for them. */
  restore: { takes: { passes: Pass[] }; gives: null };
  /** What the engine holds now. */
  memory: { takes: object; gives: Memory };
  /** What stands in the cache of a conversation, as bytes; and the other way round: how many positions. */
  save: { takes: { messages: Message[] }; gives: Uint8Array };
  loadCache: { takes: { bytes: Uint8Array }; gives: number };
  tokenize: { takes: { text: string }; gives: number[] };
  detokenize: { takes: { tokens: Uint32Array }; gives: string };
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

/** Bytes that a model holds. */
export interface Memory {
  /** On the device: weights, cache and what a pass needs. */
  gpuBytes: number;
  /** The core's WebAssembly memory, which grows and never shrinks. */
  wasmBytes: number;
  /** On the processor, the memory of weights, cache and activations; 0 on a GPU. */
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
  /** The worker lives, and holds this lock for as long as it does. */
  | { kind: "alive"; lock: string }
  /** The worker made a request. */
  | { kind: "request"; note: RequestNote }
  | { kind: "progress"; id: number; progress: Progress }
  | { kind: "benchmark"; id: number; progress: BenchmarkProgress }
  /** What stands in the engine's cache has changed, and perhaps a token has come with it. */
  | { kind: "chunk"; id: number; chunk?: Chunk; change?: CacheChange }
  | { kind: "done"; id: number; gives: Calls[CallName]["gives"] }
  | { kind: "failed"; id: number; error: WireError };
