// Oriel: language models in the browser window, on WebGPU or the processor. A source -> a model -> text as it comes.

export { load } from "./load.js";
export { check } from "./check.js";
export type { Fit } from "./checking.js";
export { storage } from "./storage.js";
export type { StoredSession, StoredSessions } from "./kept.js";
export type { StorageUsage, StoredFile } from "./storage.js";
export { OrielError } from "./errors.js";
export type { OrielErrorCode } from "./errors.js";
export type {
  BenchmarkOptions,
  BenchmarkProgress,
  BenchmarkReport,
  BenchmarkSizes,
  BoundedKernel,
  DecodeRow,
  KernelRow,
  KernelTime,
  PerToken,
  PrefillRow,
  Profile,
  Roofline,
  Spread,
} from "./benchmark.js";
export type { RequestNote } from "./requests.js";
export type { ModelEvent } from "./heal.js";
export type { Model } from "./model.js";
export type { Session, SessionOptions, SessionUsage } from "./session.js";
export type { Run } from "./run.js";
export type { Source, ModelParts, Part } from "./source.js";
export type {
  CheckOptions,
  GenerateOptions,
  LoadOptions,
  Message,
  Progress,
  RestoreOptions,
  SamplingOptions,
  ShortOptions,
  TemplateOptions,
} from "./options.js";
export type { Adapter, Chunk, FinishReason, ModelInfo, Result, Timings, TokenLogprob, Usage } from "./engine.js";
export type { LoadedInfo, Memory } from "./protocol.js";
export type { KindTuning, Tuning } from "./tunings.js";
