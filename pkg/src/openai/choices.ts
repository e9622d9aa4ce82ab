// A request, understood -> its choices, one after another: tokens as they come, what each choice came to, and their sum.

import type { Chunk, FinishReason, Message, Model, Usage } from "../index.js";
import type { Asked } from "./request.js";
import type { CompletionFinishReason, CompletionUsage } from "./types.js";

/** Something of a choice: a token, or, last, its end with the text that no token brought. */
export type ChoiceEvent =
  | { index: number; first: boolean; text: string; chunk: Chunk }
  | { index: number; first: boolean; text: string; finishReason: CompletionFinishReason };

/** Generates the choices; leaving early ends the one that is going on. Returns what all of them took. */
export async function* choices(
  model: Model,
  { prompts, n, options }: Pick<Asked<string | Message[]>, "prompts" | "n" | "options">,
  signal: AbortSignal,
): AsyncGenerator<ChoiceEvent, CompletionUsage> {
  const taken: { usage: Usage; first: boolean }[] = [];
  for (let index = 0; index < prompts.length * n; index += 1) {
    const prompt = prompts[Math.floor(index / n)] as string | Message[];
    const seed = options.seed === undefined ? undefined : options.seed + (index % n);
    const run = model.generate(prompt, { ...options, seed, signal });
    let told = 0;
    let first = true;
    for await (const chunk of run) {
      yield { index, first, text: chunk.text, chunk };
      told += chunk.text.length;
      first = false;
    }
    const { text, finishReason, usage } = await run.result;
    yield { index, first, text: text.slice(told), finishReason: reason(finishReason) };
    taken.push({ usage, first: index % n === 0 });
  }
  return sum(taken);
}

/** A prompt is counted once, by the first of its choices: for the others it is in the cache. */
function sum(taken: { usage: Usage; first: boolean }[]): CompletionUsage {
  const of = (some: typeof taken, key: keyof Usage) => some.reduce((total, { usage }) => total + usage[key], 0);
  const prompts = taken.filter(({ first }) => first);
  const [prompt, completion] = [of(prompts, "promptTokens"), of(taken, "completionTokens")];
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: of(prompts, "cachedTokens") },
  };
}

/** OpenAI has no word for a generation that was stopped; nobody reads on after one. */
function reason(finishReason: FinishReason): CompletionFinishReason {
  return finishReason === "length" ? "length" : "stop";
}

/** What every answer, and each of its chunks, begins with. */
export function head<T extends string>(kind: string, object: T, name: string) {
  const random = crypto.getRandomValues(new Uint8Array(12));
  const id = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { id: `${kind}-${id}`, object, created: Math.floor(Date.now() / 1000), model: name };
}

/** Reads a generator to its end: each item to `each`, and what it returns. */
export async function readAll<T, R>(items: AsyncGenerator<T, R>, each: (item: T) => void | Promise<void>): Promise<R> {
  for (;;) {
    const { done, value } = await items.next();
    if (done) return value;
    await each(value);
  }
}
