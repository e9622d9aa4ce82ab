// A request to continue texts in OpenAI's words -> the continuations in the same, whole or as chunks.

import type { Model } from "../index.js";
import { choices, head, readAll } from "./choices.js";
import { Likely, placed } from "./logprobs.js";
import { textRequest, type AskedText } from "./request.js";
import { Ending, Stream } from "./stream.js";
import type {
  ChunkStream,
  Completion,
  CompletionChunk,
  CompletionFinishReason,
  RequestOptions,
  TokenLogprob,
} from "./types.js";

/** `model.completions.create` */
export async function completion(
  model: Model,
  body: unknown,
  options?: RequestOptions,
): Promise<Completion | ChunkStream<CompletionChunk>> {
  const ending = new Ending("completions.create", options);
  const asked = textRequest(body);
  const { signal } = ending.controller;
  if (asked.stream) return Stream.start(chunks(model, asked, signal), ending);
  return whole(model, asked, signal).finally(() => ending.over());
}

/** What a choice begins with. */
function opening({ echo, prompts, n }: AskedText, index: number): string {
  return echo ? (prompts[Math.floor(index / n)] as string) : "";
}

async function whole(model: Model, asked: AskedText, signal: AbortSignal): Promise<Completion> {
  const likely = new Likely(model);
  const made: { text: string; tokens: TokenLogprob[]; finishReason: CompletionFinishReason }[] = [];
  const usage = await readAll(choices(model, asked, signal), async (event) => {
    const { index, text } = event;
    const choice = (made[index] ??= { text: opening(asked, index), tokens: [], finishReason: "stop" });
    choice.text += text;
    if ("chunk" in event) choice.tokens.push(...(await likely.of(event.chunk)));
    else choice.finishReason = event.finishReason;
  });
  const told = made.map(({ text, tokens, finishReason: finish_reason }, index) => {
    const logprobs = asked.options.logprobs ? placed(tokens, 0) : null;
    return { index, text, logprobs, finish_reason };
  });
  const name = asked.model ?? model.info.architecture;
  return { ...head("cmpl", "text_completion", name), choices: told, usage };
}

async function* chunks(model: Model, asked: AskedText, signal: AbortSignal): AsyncGenerator<CompletionChunk, void> {
  const likely = new Likely(model);
  const name = asked.model ?? model.info.architecture;
  const common = { ...head("cmpl", "text_completion", name), ...(asked.includeUsage ? { usage: null } : {}) };
  const events = choices(model, asked, signal);
  let offset = 0;
  try {
    for (;;) {
      const { done, value: event } = await events.next();
      if (done) {
        if (asked.includeUsage) yield { ...common, choices: [], usage: event };
        return;
      }
      const { index, first } = event;
      if (first) offset = 0;
      const tokens = "chunk" in event ? await likely.of(event.chunk) : [];
      const text = (first ? opening(asked, index) : "") + event.text;
      const finish_reason = "chunk" in event ? null : event.finishReason;
      if (!text && tokens.length === 0 && finish_reason === null) continue;
      const logprobs = tokens.length > 0 ? placed(tokens, offset) : null;
      offset += tokens.reduce((length, { token }) => length + token.length, 0);
      yield { ...common, choices: [{ index, text, logprobs, finish_reason }] };
    }
  } finally {
    await events.return(undefined as never);
  }
}
