// The types of the AI SDK's provider, held to its specification and to `ai` itself: this compiles, and what is marked not.

import { embed, generateText, streamText, type LanguageModel } from "ai";
import type { LanguageModelV4, ProviderV4 } from "@ai-sdk/provider";
import type { Model } from "oriel";
import { createOriel, oriel, type OrielProviderOptions } from "oriel/ai-sdk";

declare const model: Model;

const takes = <T>(given: T): T => given;

takes<ProviderV4>(oriel);
takes<LanguageModelV4>(oriel(model));
takes<LanguageModel>(createOriel({ device: "cpu" })("hf:owner/name/file.gguf"));
takes<LanguageModel>(oriel(Promise.resolve(model)));
takes<LanguageModel>(oriel(new Blob([])));
takes<LanguageModel>(oriel.languageModel("hf:owner/name"));

const extras: OrielProviderOptions = { minP: 0.1, logprobs: true };
takes(generateText({ model: oriel(model), prompt: "Hi", providerOptions: { oriel: { minP: 0.1 } } }));
takes<AsyncIterable<string>>(streamText({ model: oriel(model), prompt: "Hi" }).textStream);
takes(embed({ model: oriel.embeddingModel("none"), value: "a" }));
takes(extras);

// @ts-expect-error no number is a source
oriel(5);
// @ts-expect-error there is no such option of a load
createOriel({ quantise: true });
