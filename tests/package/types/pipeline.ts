// The types of the pipeline: this compiles, and what is marked does not.

import type { Message } from "oriel";
import { InterruptableStoppingCriteria, TextStreamer, pipeline } from "oriel/pipeline";
import type { ProgressInfo, TextGenerationPipeline } from "oriel/pipeline";

declare const generator: TextGenerationPipeline;

const takes = <T>(given: T): T => given;

const progress_callback = (info: ProgressInfo) => info.status === "progress" && takes<number>(info.progress);
takes<Promise<TextGenerationPipeline>>(
  pipeline("text-generation", "a/b", { device: "wasm", dtype: "q8", progress_callback, context: 512 }),
);

const chat: Message[] = [{ role: "user", content: "Hi" }];
type Answers<T> = Promise<{ generated_text: T }[]>;
takes<Answers<string>>(generator("Hi", { max_new_tokens: 5, do_sample: false, repetition_penalty: 1.1 }));
takes<Answers<Message[]>>(generator(chat));
takes<Answers<string>>(generator(chat, { return_full_text: false }));
takes<Promise<{ generated_text: string }[][]>>(generator(["a", "b"]));
takes<Promise<{ generated_text: Message[] }[][]>>(generator([chat, chat], { num_return_sequences: 2 }));

const callback_function = (text: string) => console.log(text);
const streamer = new TextStreamer(generator.tokenizer, { skip_prompt: true, callback_function });
takes(generator("Hi", { streamer, stopping_criteria: new InterruptableStoppingCriteria() }));

// @ts-expect-error there is no such task
void pipeline("summarization", "a/b");
// @ts-expect-error nor such a device
void pipeline("text-generation", "a/b", { device: "cuda" });
// @ts-expect-error beams are not searched
void generator("a", { num_beams: 4 });
// @ts-expect-error a number is no prompt
void generator(5);
// @ts-expect-error special tokens are never told
new TextStreamer(generator.tokenizer, { skip_special_tokens: false });
