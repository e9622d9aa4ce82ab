// `model.chat` and `model.completions`: the names alone. What they do is a file of its own, fetched at the first call, so
// that it costs nothing where nobody asks for OpenAI's shape.

import { OrielError } from "../errors.js";
import type { Model } from "../model.js";
import type { Chat, ChatCompletions, Completions, RequestOptions } from "./types.js";

type Shapes = typeof import("../openai.js");

export function chatOf(model: Model): Chat {
  const create = async (body: unknown, options?: RequestOptions) =>
    (await shapes()).chatCompletion(model, body, options);
  return { completions: { create: create as ChatCompletions["create"] } };
}

export function completionsOf(model: Model): Completions {
  const create = async (body: unknown, options?: RequestOptions) => (await shapes()).completion(model, body, options);
  return { create: create as Completions["create"] };
}

async function shapes(): Promise<Shapes> {
  try {
    return await import("../openai.js");
  } catch (cause) {
    throw new OrielError("network", "openai.js could not be fetched; it must be served beside index.js", { cause });
  }
}
