// A chat's request in OpenAI's words -> the model's answer in the same, whole or as chunks.

import type { Message, Model } from "../index.js";
import { choices, head, readAll } from "./choices.js";
import { Likely } from "./logprobs.js";
import { chatRequest, type Asked } from "./request.js";
import { Ending, Stream } from "./stream.js";
import type { ChatCompletion, ChatCompletionChunk, ChunkStream, RequestOptions, TokenLogprob } from "./types.js";

/** `model.chat.completions.create` */
export async function chatCompletion(
  model: Model,
  body: unknown,
  options?: RequestOptions,
): Promise<ChatCompletion | ChunkStream<ChatCompletionChunk>> {
  const ending = new Ending("chat.completions.create", options);
  const asked = chatRequest(body);
  const { signal } = ending.controller;
  if (asked.stream) return Stream.start(chunks(model, asked, signal), ending);
  return whole(model, asked, signal).finally(() => ending.over());
}

async function whole(model: Model, asked: Asked<Message[]>, signal: AbortSignal): Promise<ChatCompletion> {
  const likely = new Likely(model);
  const made: ChatCompletion["choices"] = [];
  const usage = await readAll(choices(model, asked, signal), async (event) => {
    const { index, text } = event;
    const choice = (made[index] ??= {
      index,
      message: { role: "assistant", content: "", refusal: null },
      logprobs: asked.options.logprobs ? { content: [], refusal: null } : null,
      finish_reason: "stop",
    });
    choice.message.content += text;
    if ("chunk" in event) choice.logprobs?.content.push(...(await likely.of(event.chunk)));
    else choice.finish_reason = event.finishReason;
  });
  const name = asked.model ?? model.info.architecture;
  return { ...head("chatcmpl", "chat.completion", name), choices: made, usage };
}

type Delta = ChatCompletionChunk["choices"][number]["delta"];

async function* chunks(
  model: Model,
  asked: Asked<Message[]>,
  signal: AbortSignal,
): AsyncGenerator<ChatCompletionChunk, void> {
  const likely = new Likely(model);
  const name = asked.model ?? model.info.architecture;
  const common = {
    ...head("chatcmpl", "chat.completion.chunk", name),
    ...(asked.includeUsage ? { usage: null } : {}),
  };
  const chunk = (index: number, delta: Delta, tokens: TokenLogprob[] = []): ChatCompletionChunk => {
    const logprobs = tokens.length > 0 ? { content: tokens, refusal: null } : null;
    return { ...common, choices: [{ index, delta, logprobs, finish_reason: null }] };
  };
  const events = choices(model, asked, signal);
  try {
    for (;;) {
      const { done, value: event } = await events.next();
      if (done) {
        if (asked.includeUsage) yield { ...common, choices: [], usage: event };
        return;
      }
      const { index, first, text } = event;
      if (first) yield chunk(index, { role: "assistant", content: "", refusal: null });
      const tokens = "chunk" in event ? await likely.of(event.chunk) : [];
      if (text || tokens.length > 0) yield chunk(index, { content: text }, tokens);
      if ("chunk" in event) continue;
      const logprobs = null;
      yield { ...common, choices: [{ index, delta: {}, logprobs, finish_reason: event.finishReason }] };
    }
  } finally {
    await events.return(undefined as never);
  }
}
