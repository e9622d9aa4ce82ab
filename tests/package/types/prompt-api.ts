// The types of the browser's LanguageModel over ours: this compiles, and what is marked does not.

import type { Model } from "oriel";
import { createLanguageModel, install } from "oriel/prompt-api";
import type { Availability, LanguageModelFactory, LanguageModelSession } from "oriel/prompt-api";

declare const model: Model;

const takes = <T>(given: T): T => given;

takes<boolean>(install(globalThis, "hf:owner/name/file.gguf", { device: "cpu" }));
const LanguageModel = takes<LanguageModelFactory>(createLanguageModel(model));
takes<Promise<Availability>>(LanguageModel.availability({ expectedInputs: [{ type: "text", languages: ["en"] }] }));

const session = await LanguageModel.create({
  initialPrompts: [{ role: "system", content: "Answer in one sentence." }],
  samplingMode: "balanced",
  monitor: (monitor) => (monitor.ondownloadprogress = ({ loaded }) => takes<number>(loaded)),
  signal: AbortSignal.timeout(1),
});
takes<Promise<string>>(session.prompt("Hi", { signal: AbortSignal.timeout(1) }));
takes<ReadableStream<string>>(session.promptStreaming([{ role: "user", content: [{ type: "text", value: "Hi" }] }]));
takes<Promise<undefined>>(session.append("Hi"));
takes<Promise<number>>(session.measureContextUsage("Hi"));
takes<number>(session.contextUsage + session.contextWindow);
takes<Promise<LanguageModelSession>>(session.clone());
session.oncontextoverflow = (event) => takes<Event>(event);
takes<void>(session.destroy());

// @ts-expect-error a constraint can't be honoured yet
void session.prompt("Hi", { responseConstraint: {} });
// @ts-expect-error nor can tools
void LanguageModel.create({ tools: [{ name: "f" }] });
// @ts-expect-error there is no such mode
void LanguageModel.create({ samplingMode: "wild" });
// @ts-expect-error each call has a signal of its own
createLanguageModel("a", { signal: AbortSignal.timeout(1) });
