// A call of the AI SDK -> what to generate from and how. What can't be honoured is refused by name.

import { InvalidArgumentError, UnsupportedFunctionalityError } from "@ai-sdk/provider";
import type { LanguageModelV4CallOptions, LanguageModelV4Message } from "@ai-sdk/provider";
import type { GenerateOptions, Message } from "../index.js";

/** What `providerOptions.oriel` may hold: sampling that the AI SDK has no name for. */
export interface OrielProviderOptions {
  /** Only tokens at least p times as likely as the likeliest. */
  minP?: number;
  /** Divides the logits of tokens that have occurred; 1 for none. */
  repetitionPenalty?: number;
  /** Added to the logits of tokens, by their numbers. */
  logitBias?: Record<number, number>;
  /** `providerMetadata.oriel.logprobs` tells how likely each token was. */
  logprobs?: boolean;
  /** How many of the likeliest tokens it tells at each place, 0 to 20. */
  topLogprobs?: number;
  /** Go on past the model's own end tokens. */
  ignoreEos?: boolean;
}

const EXTRAS: Record<keyof OrielProviderOptions, true> = {
  minP: true,
  repetitionPenalty: true,
  logitBias: true,
  logprobs: true,
  topLogprobs: true,
  ignoreEos: true,
};

/** A call, understood. */
export interface Call {
  messages: Message[];
  options: GenerateOptions;
}

export function understood(options: LanguageModelV4CallOptions): Call {
  const { tools = [], toolChoice, responseFormat, reasoning = "provider-default" } = options;
  if (tools.length > 0 || toolChoice?.type === "required" || toolChoice?.type === "tool") {
    const names = tools.map(({ name }) => name).join(", ");
    throw unsupported(names ? `tools (${names})` : `toolChoice "${toolChoice?.type}"`);
  }
  if (responseFormat && responseFormat.type !== "text") throw unsupported(`responseFormat "${responseFormat.type}"`);
  if (reasoning !== "provider-default" && reasoning !== "none") throw unsupported(`reasoning "${reasoning}"`);
  const { maxOutputTokens, temperature, topP, topK, presencePenalty, frequencyPenalty, seed, stopSequences } = options;
  return {
    messages: options.prompt.map(message),
    options: {
      ...{ maxTokens: maxOutputTokens, temperature, topP, topK, presencePenalty, frequencyPenalty, seed },
      ...{ stop: stopSequences, signal: options.abortSignal },
      ...extras(options.providerOptions?.["oriel"] ?? {}),
    },
  };
}

function extras(given: Record<string, unknown>): OrielProviderOptions {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(EXTRAS, name));
  if (unknown === undefined) return given;
  const known = Object.keys(EXTRAS).join(", ");
  const argument = `providerOptions.oriel.${unknown}`;
  throw new InvalidArgumentError({ argument, message: `${argument} is not an option; supported: ${known}` });
}

function message({ role, content }: LanguageModelV4Message, place: number): Message {
  if (typeof content === "string") return { role, content };
  const texts = content.map((part) => {
    if (part.type === "text") return part.text;
    throw unsupported(`a part of type "${part.type}" (message ${place}, of ${role})`);
  });
  // Parts are paragraphs of what was said to the model, and pieces of what it said itself.
  return { role, content: texts.join(role === "assistant" ? "" : "\n") };
}

function unsupported(functionality: string): UnsupportedFunctionalityError {
  return new UnsupportedFunctionalityError({ functionality, message: `Oriel does not support ${functionality} yet` });
}
