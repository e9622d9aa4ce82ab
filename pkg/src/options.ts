// Options as callers write them -> the same, checked: an unknown name or a wrong type throws, none is ignored.
// Ranges are the core's to check, so that they stand in one place.

import { OrielError } from "./errors.js";
import type { ModelEvent } from "./heal.js";
import type { RequestNote } from "./requests.js";
import type { Tuning } from "./tunings.js";

/** How a model is loaded. */
export interface LoadOptions {
  /** Aborts the load and frees what it has taken. */
  signal?: AbortSignal | undefined;
  /** Told how the load goes on, at most about ten times a second. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Told when the GPU or the worker was lost and when there is another. Calls wait meanwhile, and go on by themselves. */
  onEvent?: ((event: ModelEvent) => void) | undefined;
  /** Told of every request that the engine's worker made, each as it ends: the page's own list of requests lacks them. */
  onRequest?: ((note: RequestNote) => void) | undefined;
  /** `auto` takes a GPU where there is one and else the processor; `info.deviceReason` says why. */
  device?: "auto" | "webgpu" | "cpu" | undefined;
  /** Of the processor, where it computes; more than one only in a cross-origin isolated page. Default: by its cores. */
  threads?: number | undefined;
  /** What activations become before they are multiplied by quantised weights. On the processor `auto` is `int16`, as good
   * as f32. On a GPU, where it is about the passes of a prompt, `auto` measures f32 against `int16`; `int16` and `int8`
   * need products of packed bytes in its browser's WGSL. */
  activations?: "auto" | "f32" | "int16" | "int8" | undefined;
  /** Which of its instructions the processor uses; for tests and measurements: `auto` takes the best there are. */
  instructions?: "auto" | "simd" | "relaxed" | undefined;
  /** Positions that the model can attend to at once; default: the model's own, bounded by the core. */
  context?: number | undefined;
  /** Milliseconds, 1 to 1000, that the device is kept at a stretch, prompts included, so that what draws the page comes in
   * between. At least 16 tokens of a prompt, or one of an answer, are computed whatever they take; how long the first
   * part of the first prompt takes is not known. Default: 33 on a GPU, where every other frame is drawn at the worst;
   * else 100. */
  frameBudget?: number | undefined;
  /** What float matrices become at load; `auto` keeps a quantised file's own and takes f16 otherwise. */
  precision?: "auto" | "f32" | "f16" | "q8" | "q4" | undefined;
  /** How keys and values are held; `auto` is f16, with `precision: "f32"` f32. `q8` takes little more than half of f16's
   * bytes, of heads of a multiple of 32 values. */
  cache?: "auto" | "f32" | "f16" | "q8" | undefined;
  /**
   * How the GPU's kernels are chosen: `auto` measures them at the first load on an adapter, for about a second, and has the
   * browser keep that; `start` takes what adapters of this kind begin with; an object, what `model.tuning` was elsewhere.
   */
  tuning?: "auto" | "start" | Tuning | undefined;
  /**
   * `auto` keeps files from the network in the browser's file system: a download is resumed where it stood, and checked
   * when it is read again. `none` leaves storage alone.
   */
  storage?: "auto" | "none" | undefined;
  /** The address that answers `hf:` names; default `https://huggingface.co`. */
  hub?: string | URL | undefined;
  /** The branch, tag or commit of an `hf:` name; default `main`. */
  revision?: string | undefined;
  /**
   * What opens a private repository of an `hf:` name, or a function that brings it. Sent to the hub's own host only, not to
   * where it redirects; not stored.
   */
  token?: string | (() => string | Promise<string>) | undefined;
}

/** How a model would be loaded, for `check`. */
export type CheckOptions = Pick<
  LoadOptions,
  "signal" | "device" | "context" | "precision" | "cache" | "hub" | "revision" | "token"
>;

/** How far a load has come. Bytes are fetched and uploaded in turns, so both phases are reported in turns. */
export interface Progress {
  /** What this report is about. */
  phase: "fetch" | "verify" | "upload" | "compile" | "ready";
  /** Bytes done; for `compile`, 0 or 1. */
  loaded: number;
  /** Bytes in all, once they are known. */
  total: number | null;
  /** Where the bytes come from; `cache` is what an earlier load stored. */
  source: "network" | "cache" | "file";
  /** Bytes in a second since the load began. */
  rate: number;
}

/** How tokens are chosen and when they end. */
export interface SamplingOptions {
  /** The most new tokens. */
  maxTokens?: number | undefined;
  /** 0 takes the likeliest token each time. */
  temperature?: number | undefined;
  /** Only the k likeliest; 0 for all. */
  topK?: number | undefined;
  /** Only the likeliest whose probabilities sum to p. */
  topP?: number | undefined;
  /** Only those at least p times as likely as the likeliest. */
  minP?: number | undefined;
  /** Divides the logits of tokens that have occurred; 1 for none. */
  repetitionPenalty?: number | undefined;
  /** Subtracted once for each occurrence among the new tokens. */
  frequencyPenalty?: number | undefined;
  /** Subtracted once from each token that has occurred among the new ones. */
  presencePenalty?: number | undefined;
  /** Added to the logits of tokens, by their ids, from -100 to 100: `{ 262: -100 }` all but forbids one. */
  logitBias?: Readonly<Record<number, number>> | undefined;
  /** Chunks tell the log-probability of their token, as the model has it: before bias, penalties, temperature. */
  logprobs?: boolean | undefined;
  /** Chunks tell that of so many of the likeliest tokens too, at most 20; means `logprobs`. */
  topLogprobs?: number | undefined;
  /** Same seed, same device, same text. */
  seed?: number | undefined;
  /** Ends the text before one of these. */
  stop?: string | readonly string[] | undefined;
  /** Go on past the model's own end tokens. */
  ignoreEos?: boolean | undefined;
}

/** What a generation takes besides its prompt. */
export interface GenerateOptions extends SamplingOptions {
  /** Aborts this generation: its iterator and `result` throw. `run.stop()` ends it and keeps the text. */
  signal?: AbortSignal | undefined;
}

/** What a short call takes. */
export interface ShortOptions {
  /** Aborts the call: it rejects. */
  signal?: AbortSignal | undefined;
}

/** What `restore` takes. */
export interface RestoreOptions extends ShortOptions {
  /** Where what was saved of the cache can't be used here, go on all the same: the next turn computes all of it. */
  recompute?: boolean | undefined;
}

/** What `applyTemplate` takes besides the conversation. */
export interface TemplateOptions extends ShortOptions {
  /** Goes on to where the assistant's next answer begins; default true. */
  addGenerationPrompt?: boolean | undefined;
}

/** What a generation begins with, as it goes to the worker. */
export type Prompt = string | Uint32Array | Message[];

/** One turn of a conversation. */
export interface Message {
  role: "system" | "user" | "assistant" | (string & {});
  content: string;
}

/** What is wrong with a value, or nothing. */
export type Rule = (value: unknown) => string | undefined;

const number: Rule = (value) => (typeof value === "number" && Number.isFinite(value) ? undefined : "expected a number");
export const whole: Rule = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : "expected a whole number, 0 or more";
/** What the core counts in 32 bits. */
const size: Rule = (value) => (Number(value) < 2 ** 32 ? whole(value) : "expected a whole number below 4294967296");
const count: Rule = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 1 ? undefined : "expected a whole number, 1 or more";
export const flag: Rule = (value) => (typeof value === "boolean" ? undefined : "expected true or false");
const text: Rule = (value) => (typeof value === "string" && value !== "" ? undefined : "expected a text");
const address: Rule = (value) => (value instanceof URL ? undefined : text(value));
const texts: Rule = (value) =>
  typeof value === "string" || (Array.isArray(value) && value.every((item) => typeof item === "string"))
    ? undefined
    : "expected a string or an array of strings";
const biases: Rule = (value) =>
  Object.getPrototypeOf(value ?? 0) === Object.prototype &&
  Object.entries(value as object).every(([token, bias]) => /^\d+$/.test(token) && !size(Number(token)) && !number(bias))
    ? undefined
    : "expected an object of tokens' ids and numbers, such as { 262: -100 }";
export const signal: Rule = (value) => (value instanceof AbortSignal ? undefined : "expected an AbortSignal");
export const callback: Rule = (value) => (typeof value === "function" ? undefined : "expected a function");
const oneOf =
  (...names: string[]): Rule =>
  (value) =>
    names.includes(value as string) ? undefined : `expected ${names.map((name) => `"${name}"`).join(", ")}`;

const tuning: Rule = (value) =>
  value === "auto" || value === "start" || Object.getPrototypeOf(value ?? 0) === Object.prototype
    ? undefined
    : 'expected "auto", "start" or a tuning as in model.tuning';

/** A rule for every option of T: a new option without one does not compile. */
export type Rules<T> = { [Name in keyof Required<T>]: Rule };

const LOAD: Rules<LoadOptions> = {
  signal,
  onProgress: callback,
  onEvent: callback,
  onRequest: callback,
  device: oneOf("auto", "webgpu", "cpu"),
  threads: count,
  activations: oneOf("auto", "f32", "int16", "int8"),
  instructions: oneOf("auto", "simd", "relaxed"),
  context: whole,
  frameBudget: count,
  precision: oneOf("auto", "f32", "f16", "q8", "q4"),
  cache: oneOf("auto", "f32", "f16", "q8"),
  tuning,
  storage: oneOf("auto", "none"),
  hub: address,
  revision: text,
  token: (value) => (typeof value === "function" ? undefined : text(value) && "expected a text or a function"),
};

const CHECK: Rules<CheckOptions> = (
  ({ onProgress, onEvent, onRequest, threads, activations, instructions, frameBudget, tuning, storage, ...rules }) =>
    rules
)(LOAD);

const SAMPLING: Rules<SamplingOptions> = {
  maxTokens: size,
  temperature: number,
  topK: size,
  topP: number,
  minP: number,
  repetitionPenalty: number,
  frequencyPenalty: number,
  presencePenalty: number,
  logitBias: biases,
  logprobs: flag,
  topLogprobs: size,
  seed: whole,
  stop: texts,
  ignoreEos: flag,
};

const GENERATE: Rules<GenerateOptions> = { ...SAMPLING, signal };

/** The options of `load`, checked. */
export function loadOptions(given: LoadOptions | undefined): LoadOptions {
  return checked("load", given, LOAD);
}

/** The options of `check`, checked. */
export function checkOptions(given: CheckOptions | undefined): CheckOptions {
  return checked("check", given, CHECK);
}

/** The token itself. @throws OrielError `option` for one that no header can carry, without showing it. */
export async function tokenOf(given: LoadOptions["token"]): Promise<string | undefined> {
  const token: unknown = typeof given === "function" ? await given() : given;
  if (token === undefined || (typeof token === "string" && /^[\x21-\x7e]+$/.test(token))) return token;
  throw new OrielError("option", "token: expected one word of ASCII characters");
}

/** The options of `generate` and `send`, checked. */
export function generateOptions(given: GenerateOptions | undefined): GenerateOptions {
  const options = checked("generate", given, GENERATE);
  if (options.logprobs === false && options.topLogprobs !== undefined) {
    throw new OrielError("option", `generate: topLogprobs is ${options.topLogprobs}; with it logprobs can't be false`);
  }
  return options;
}

/** A text, tokens or a conversation, checked and copied. */
export function prompt(given: unknown): Prompt {
  if (typeof given === "string") return given;
  if (!Array.isArray(given)) {
    throw new OrielError("option", `generate: expected a text, tokens or messages, found ${show(given)}`);
  }
  return typeof given[0] === "number" ? tokens("generate", given) : messages(given);
}

/** Tokens, checked and copied; whether the vocabulary has them is the core's to check. */
export function tokens(call: string, given: unknown): Uint32Array {
  const list = typeof given === "object" && given !== null && Symbol.iterator in given ? given : undefined;
  if (!list) throw new OrielError("option", `${call}: expected tokens, found ${show(given)}`);
  const all = Array.from(list as Iterable<unknown>);
  const place = all.findIndex((token) => size(token) !== undefined);
  if (place < 0) return Uint32Array.from(all as number[]);
  throw new OrielError("option", `${call}: token ${place} is ${show(all[place])}; ${size(all[place])}`);
}

/** The options of `tokenize` and `detokenize`, checked. */
export function shortOptions(call: string, given: ShortOptions | undefined): ShortOptions {
  return checked(call, given, { signal });
}

/** The options of `restore`, checked. */
export function restoreOptions(given: RestoreOptions | undefined): RestoreOptions {
  return checked("restore", given, { signal, recompute: flag });
}

/** The options of `applyTemplate`, checked. */
export function templateOptions(given: TemplateOptions | undefined): TemplateOptions {
  return checked("applyTemplate", given, { signal, addGenerationPrompt: flag });
}

/** A conversation, checked and copied. */
export function messages(given: unknown): Message[] {
  if (!Array.isArray(given)) throw new OrielError("option", "messages: expected an array of { role, content }");
  return given.map((message: unknown, place) => {
    const { role, content, ...rest } = (message ?? {}) as Record<string, unknown>;
    if (typeof role !== "string" || typeof content !== "string") {
      throw new OrielError("option", `messages[${place}]: expected { role, content }, both strings`);
    }
    const [extra] = Object.keys(rest);
    if (extra !== undefined) throw new OrielError("option", `messages[${place}].${extra} is not supported`);
    return { role, content };
  });
}

/**
 * The given options without those that are undefined.
 * @throws OrielError `option` for a name that is not in `rules`, or a value that its rule refuses.
 */
export function checked<T extends object>(call: string, given: T | undefined, rules: Rules<T>): T {
  if (given === undefined) return {} as T;
  if (typeof given !== "object" || given === null) {
    throw new OrielError("option", `${call}: expected an object of options, found ${show(given)}`);
  }
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(rules, name)) {
      const known = Object.keys(rules).join(", ");
      throw new OrielError("option", `${call}: ${name} is not an option; supported: ${known}`);
    }
    if (value === undefined) continue;
    const fault = rules[name as keyof T](value);
    const shown = name === "token" ? "of another kind" : show(value);
    if (fault !== undefined) throw new OrielError("option", `${call}: ${name} is ${shown}; ${fault}`);
    kept[name] = value;
  }
  return kept as T;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value !== null ? `a ${value.constructor?.name ?? "object"}` : String(value);
}
