// A request in OpenAI's words -> the same in ours: what to generate from, by which options, how often, and how it is told.

import type { GenerateOptions, Message } from "../index.js";
import {
  RequestError,
  checkedFields,
  checkedIn,
  flag,
  isObject,
  list,
  mapOf,
  never,
  number,
  only,
  show,
  text,
  texts,
  whole,
  type Rule,
} from "./fields.js";

/** What OpenAI's API bounds its lists of likely tokens by. */
const MOST_TOP_LOGPROBS = 20;
const MOST_COMPLETION_LOGPROBS = 5;

/** What `generate` takes besides the signal. */
export type Sampling = Omit<GenerateOptions, "signal"> & {
  logitBias?: Record<number, number>;
  logprobs?: boolean;
  topLogprobs?: number;
};

/** A request, understood. */
export interface Asked<Prompt> {
  /** In the order of the choices: all of the first prompt's, then all of the second's. */
  prompts: Prompt[];
  /** How many choices for each. */
  n: number;
  options: Sampling;
  /** What the answer calls the model. */
  model: string | undefined;
  stream: boolean;
  includeUsage: boolean;
}

export interface AskedText extends Asked<string> {
  echo: boolean;
}

/** Fields that go to the engine as they are, by its names. */
const SAMPLING = {
  temperature: "temperature",
  top_p: "topP",
  top_k: "topK",
  min_p: "minP",
  repetition_penalty: "repetitionPenalty",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
  seed: "seed",
  stop: "stop",
  logit_bias: "logitBias",
} as const satisfies Record<string, keyof Sampling>;

const COMMON: Record<string, Rule> = {
  model: text,
  stream: flag,
  stream_options: { accepts: isObject, expected: "an object", code: "option" },
  max_tokens: whole(0),
  temperature: number,
  top_p: number,
  top_k: whole(0),
  min_p: number,
  repetition_penalty: number,
  presence_penalty: number,
  frequency_penalty: number,
  logit_bias: mapOf("numbers"),
  seed: whole(0),
  n: whole(1),
  stop: texts,
  user: text,
};

const CHAT: Record<string, Rule> = {
  messages: list,
  ...COMMON,
  max_completion_tokens: whole(0),
  logprobs: flag,
  top_logprobs: whole(0, MOST_TOP_LOGPROBS),
  // What changes nothing here, as long as it is this.
  response_format: only({ type: "text" }),
  modalities: only(["text"]),
  tools: only([]),
  tool_choice: only("none", "auto"),
  parallel_tool_calls: flag,
  metadata: mapOf("strings"),
  store: only(false),
  prompt_cache_key: text,
  prompt_cache_retention: text,
  safety_identifier: text,
  service_tier: only("auto", "default"),
  reasoning_effort: only("none"),
  verbosity: only("medium"),
  // What would change something, and can't be honoured.
  audio: never,
  function_call: never,
  functions: never,
  moderation: never,
  prediction: never,
  prompt_cache_options: never,
  web_search_options: never,
};

const COMPLETION: Record<string, Rule> = {
  prompt: { ...texts, expected: "a text or an array of texts; tokens are not supported" },
  ...COMMON,
  echo: flag,
  logprobs: whole(0, MOST_COMPLETION_LOGPROBS),
  best_of: whole(1),
  suffix: never,
};

/** A chat's request. */
export function chatRequest(body: unknown): Asked<Message[]> {
  const call = "chat.completions.create";
  const given = checkedFields(call, body, CHAT);
  const { messages, logprobs = false, top_logprobs, max_tokens, max_completion_tokens } = given;
  if (messages === undefined) throw new RequestError("option", call, "messages", "is missing");
  if (top_logprobs !== undefined && !logprobs) {
    throw new RequestError("option", call, "top_logprobs", "is given without logprobs: true");
  }
  if (max_tokens !== undefined && max_completion_tokens !== undefined && max_tokens !== max_completion_tokens) {
    throw new RequestError("option", call, "max_tokens", "and max_completion_tokens differ");
  }
  const asked = common(call, given, max_completion_tokens ?? max_tokens);
  const likely = logprobs ? { logprobs: true, topLogprobs: (top_logprobs ?? 0) as number } : {};
  const prompt = (messages as unknown[]).map((message, place) => turn(call, message, `messages[${place}]`));
  return { ...asked, prompts: [prompt], options: { ...asked.options, ...likely } };
}

/** A request to continue texts. */
export function textRequest(body: unknown): AskedText {
  const call = "completions.create";
  const given = checkedFields(call, body, COMPLETION);
  const { prompt, logprobs, echo = false, best_of: best, n = 1, max_tokens } = given;
  if (prompt === undefined || (Array.isArray(prompt) && prompt.length === 0)) {
    throw new RequestError("option", call, "prompt", "is missing");
  }
  if (best !== undefined && best !== n) {
    throw new RequestError("unsupported", call, "best_of", `is ${best}; supported: as many as n, ${n}`);
  }
  if (echo && logprobs !== undefined) {
    throw new RequestError("unsupported", call, "echo", "with logprobs would need those of the prompt");
  }
  const asked = common(call, given, max_tokens);
  const likely = logprobs === undefined ? {} : { logprobs: true, topLogprobs: logprobs as number };
  const prompts = (typeof prompt === "string" ? [prompt] : prompt) as string[];
  return { ...asked, prompts, options: { ...asked.options, ...likely }, echo: echo as boolean };
}

/** What both kinds of request hold. */
function common(call: string, given: Record<string, unknown>, maxTokens: unknown): Omit<Asked<never>, "prompts"> {
  const { model, stream = false, n = 1, stream_options: telling } = given;
  if (telling !== undefined && !stream) {
    throw new RequestError("option", call, "stream_options", "is given without stream: true");
  }
  const rules = { include_usage: flag, include_obfuscation: only(false) };
  const told = checkedIn(call, "stream_options.", (telling ?? {}) as Record<string, unknown>, rules);
  const options: Record<string, unknown> = {};
  for (const [field, name] of Object.entries(SAMPLING)) {
    if (given[field] !== undefined) options[name] = given[field];
  }
  if (maxTokens !== undefined) options["maxTokens"] = maxTokens;
  return {
    n: n as number,
    options: options as Sampling,
    model: model as string | undefined,
    stream: stream as boolean,
    includeUsage: told["include_usage"] === true,
  };
}

const ROLES: Record<string, string> = { system: "system", developer: "system", user: "user", assistant: "assistant" };

/** What an answer's own `message` may hold besides its text, as long as it says nothing. */
const SILENT = [undefined, null, "[]"];

function turn(call: string, message: unknown, at: string): Message {
  if (!isObject(message)) throw new RequestError("option", call, at, `is ${show(message)}; expected a message`);
  const { role, content, ...rest } = message;
  const known = typeof role === "string" && Object.hasOwn(ROLES, role) ? ROLES[role] : undefined;
  if (known === undefined) {
    const code = role === "tool" || role === "function" ? "unsupported" : "option";
    throw new RequestError(code, call, `${at}.role`, `is ${show(role)}; supported: ${Object.keys(ROLES).join(", ")}`);
  }
  for (const [name, value] of Object.entries(rest)) {
    const said = Array.isArray(value) ? JSON.stringify(value) : value;
    if (!SILENT.includes(said as string)) throw new RequestError("unsupported", call, `${at}.${name}`, "is not supported");
  }
  return { role: known, content: contentText(call, content, known, `${at}.content`) };
}

/** A message's text. Parts are paragraphs of what was said to the model, and pieces of what it said itself. */
function contentText(call: string, content: unknown, role: string, at: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) {
    throw new RequestError("option", call, at, `is ${show(content)}; expected a string or an array of text parts`);
  }
  const parts = content.map((part: unknown, place) => {
    const { type, text, ...rest } = isObject(part) ? part : {};
    if (type !== "text") {
      throw new RequestError("unsupported", call, `${at}[${place}].type`, `is ${show(type)}; supported: "text"`);
    }
    if (typeof text !== "string") throw new RequestError("option", call, `${at}[${place}].text`, "is no string");
    const [extra] = Object.keys(rest);
    if (extra !== undefined) throw new RequestError("unsupported", call, `${at}[${place}].${extra}`, "is not supported");
    return text;
  });
  return parts.join(role === "assistant" ? "" : "\n");
}
