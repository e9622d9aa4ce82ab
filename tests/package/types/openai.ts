// The types of OpenAI's shape, held to those of OpenAI's own client: this compiles, and what is marked does not.

import OpenAI from "openai";
import type { Model } from "oriel";
import { createFetch, type ChatCompletionParams, type CompletionParams } from "oriel/openai";
import type { ChatCompletion, ChatCompletionChunk, Completion, CompletionChunk } from "oriel/openai";

declare const model: Model;

/** What is given can be taken. */
const takes = <T>(given: T): T => given;

// Answers are what the client's users expect, field by field.
takes<(answer: ChatCompletion) => OpenAI.ChatCompletion>((answer) => answer);
takes<(chunk: ChatCompletionChunk) => OpenAI.ChatCompletionChunk>((chunk) => chunk);
takes<(answer: Completion) => OpenAI.Completion>((answer) => answer);
// Their type of a chunk leaves out that it has no reason before the last one.
type Finished = CompletionChunk["choices"][number] & { finish_reason: "stop" | "length" };
takes<(choice: Finished) => OpenAI.CompletionChoice>((choice) => choice);

// Requests are theirs too, with as many extensions as are named.
type Added = "top_k" | "min_p" | "repetition_penalty" | "model" | "stream";
takes<(body: Omit<ChatCompletionParams, Added>) => Partial<OpenAI.ChatCompletionCreateParams>>((body) => body);
takes<(body: Omit<CompletionParams, Added>) => Partial<OpenAI.CompletionCreateParams>>((body) => body);

// `create` gives by `stream` what it is asked for.
const messages = [{ role: "user" as const, content: "Hi" }];
takes<Promise<ChatCompletion>>(model.chat.completions.create({ messages }));
takes<Promise<ChatCompletion>>(model.chat.completions.create({ messages, stream: false, seed: 1, n: 2 }));
takes<Promise<AsyncIterable<ChatCompletionChunk>>>(model.chat.completions.create({ messages, stream: true }));
takes<Promise<AsyncIterable<CompletionChunk>>>(model.completions.create({ prompt: "a", stream: true }));
takes<Promise<Completion>>(model.completions.create({ prompt: ["a", "b"] }, { signal: new AbortController().signal }));
model.chat.completions.create({ messages, stream: true }).then((stream) => stream.controller.abort());

// @ts-expect-error a tool can't be honoured yet
void model.chat.completions.create({ messages, tools: [{ type: "function", function: { name: "f" } }] });
// @ts-expect-error nor can a form of JSON
void model.chat.completions.create({ messages, response_format: { type: "json_object" } });
// @ts-expect-error there is no such field
void model.chat.completions.create({ messages, quantum: 1 });
// @ts-expect-error a chat needs messages
void model.chat.completions.create({ stream: true });

// The client takes the fetch, of one model, of several, of one on its way.
takes(new OpenAI({ apiKey: "-", baseURL: "https://oriel.invalid/v1", fetch: createFetch(model) }));
takes(createFetch({ small: model, large: Promise.resolve(model) }));
takes(createFetch(Promise.resolve(model)));
// @ts-expect-error a source is no model
createFetch("hf:owner/name");
