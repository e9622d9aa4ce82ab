// What the browser's LanguageModel takes -> messages and sampling of ours, checked as the platform checks it.

import type { Message, SamplingOptions } from "../index.js";
import { exception } from "./errors.js";
import type { CreateCoreOptions, CreateOptions, ExpectedContent, Prompt, PromptMessage, SamplingMode } from "./types.js";

/** How tokens are chosen; the first takes the likeliest each time. */
const MODES: Record<SamplingMode, SamplingOptions> = {
  "most-predictable": { temperature: 0 },
  predictable: { temperature: 0.4, topK: 20 },
  balanced: { temperature: 0.7, topK: 40 },
  creative: { temperature: 1, topK: 80, minP: 0.02 },
  "most-creative": { temperature: 1.3, topK: 0, minP: 0.05 },
};

const CORE: Record<keyof CreateCoreOptions, true> = {
  ...{ samplingMode: true, topK: true, temperature: true },
  ...{ expectedInputs: true, expectedOutputs: true, tools: true },
};
const CREATE: Record<keyof CreateOptions, true> = { ...CORE, signal: true, monitor: true, initialPrompts: true };
/** What a prompt takes; a constraint is refused where one is given. */
export const PROMPT = { signal: true, responseConstraint: true, omitResponseConstraintInput: true };
export const SIGNAL = { signal: true };

/** @throws TypeError for what is no object; `NotSupportedError` for a member that is not known, as none is ignored */
export function assertMembers(call: string, options: object, known: object): void {
  if (typeof options !== "object" || options === null) throw new TypeError(`${call}: expected an object of options`);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const unknown = given.find(([name]) => !Object.hasOwn(known, name));
  if (unknown) throw exception("NotSupportedError", `${call}: ${unknown[0]} is not supported`);
  const { signal } = options as { signal?: unknown };
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError(`${call}: signal is no AbortSignal`);
}

/** A prompt's options. @throws as above, and for a constraint, which can't be honoured yet */
export function assertPromptOptions(call: string, options: object): void {
  assertMembers(call, options, PROMPT);
  const { responseConstraint, omitResponseConstraintInput } = options as Record<string, unknown>;
  if (responseConstraint !== undefined && responseConstraint !== null) {
    throw exception("NotSupportedError", `${call}: responseConstraint is not supported yet`);
  }
  if (omitResponseConstraintInput) throw new TypeError(`${call}: there is no responseConstraint to omit`);
}

/** What stands in the way of a session with these options, if anything: content that is no text, tools. */
export function unsupported(options: CreateCoreOptions): string | undefined {
  for (const name of ["expectedInputs", "expectedOutputs"] as const) {
    for (const { type, languages } of options[name] ?? ([] as ExpectedContent[])) {
      // Throws a RangeError for what is no language; which ones a model knows is its own secret.
      Intl.getCanonicalLocales([...(languages ?? [])]);
      if (type !== "text") return `${name} of type ${JSON.stringify(type)} are not supported: there is only text`;
    }
  }
  return (options.tools ?? []).length > 0 ? "tools are not supported yet" : undefined;
}

/** @throws TypeError, RangeError and `NotSupportedError`, as `create` does */
export function sampling(call: string, options: CreateOptions): SamplingOptions {
  assertMembers(call, options, CREATE);
  const { samplingMode, topK, temperature, monitor } = options;
  if (monitor !== undefined && typeof monitor !== "function") throw new TypeError(`${call}: monitor is no function`);
  if (samplingMode === undefined) {
    for (const [name, value] of Object.entries({ topK, temperature })) {
      if (value === undefined) continue;
      if (typeof value !== "number" || !(value >= 0)) throw new RangeError(`${call}: ${name} is ${String(value)}`);
    }
    const bounded = topK === undefined || topK === Infinity ? {} : { topK: Math.trunc(topK) };
    return { ...bounded, ...(temperature === undefined ? {} : { temperature }) };
  }
  if (!Object.hasOwn(MODES, samplingMode)) {
    throw new TypeError(`${call}: samplingMode is ${String(samplingMode)}; expected ${Object.keys(MODES).join(", ")}`);
  }
  if (topK !== undefined || temperature !== undefined) {
    throw new TypeError(`${call}: samplingMode says what topK and temperature would; give one or the others`);
  }
  return MODES[samplingMode];
}

/** A prompt as messages. The system's words can only be the very first. */
export function messagesOf(call: string, input: Prompt, isFirst: boolean): Message[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  if (!Array.isArray(input)) throw new TypeError(`${call}: expected a string or an array of messages`);
  if (input.length === 0) return [{ role: "user", content: "" }];
  return input.map((message: PromptMessage, place) => {
    const { role, content, prefix = false } = message ?? {};
    if (!["system", "user", "assistant"].includes(role)) throw new TypeError(`${call}: role is ${String(role)}`);
    if (role === "system" && (place > 0 || !isFirst)) {
      throw new TypeError(`${call}: the system's words must be the first of initialPrompts`);
    }
    if (prefix) {
      if (role !== "assistant" || place < input.length - 1) {
        throw exception("SyntaxError", `${call}: a prefix must be the assistant's, and the last message`);
      }
      throw exception("NotSupportedError", `${call}: a prefix of the answer is not supported yet`);
    }
    return { role, content: textOf(call, content) };
  });
}

function textOf(call: string, content: PromptMessage["content"]): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw new TypeError(`${call}: content is neither a string nor an array`);
  const parts = content.map(({ type, value }) => {
    if (type !== "text") throw exception("NotSupportedError", `${call}: content of type ${String(type)} is not supported`);
    if (typeof value !== "string") throw new TypeError(`${call}: a text's value is no string`);
    return value;
  });
  return parts.join("");
}
