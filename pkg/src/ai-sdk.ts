// oriel/ai-sdk: a provider for the AI SDK, `ai` 7: models in the page behind `generateText` and `streamText`.

import { NoSuchModelError, type LanguageModelV4, type ProviderV4 } from "@ai-sdk/provider";
import { OrielLanguageModel } from "./ai-sdk/language-model.js";
import { load, type LoadOptions, type Model, type Source } from "./index.js";

export type { OrielProviderOptions } from "./ai-sdk/call.js";

/** Makes language models for the AI SDK. */
export interface OrielProvider extends ProviderV4 {
  /** Of a model that is loaded or being loaded, or of a source, which is loaded at the first call, once for all. */
  (model: Model | PromiseLike<Model> | Source): LanguageModelV4;
  languageModel(modelId: string): LanguageModelV4;
  /** Frees the models that this provider has loaded. */
  dispose(): Promise<void>;
}

/**
 * ```ts
 * const oriel = createOriel({ onProgress });
 * const { textStream } = streamText({ model: oriel("hf:owner/name/file.gguf"), prompt: "Hello" });
 * ```
 * @param options how sources are loaded
 */
export function createOriel(options?: LoadOptions): OrielProvider {
  const loads = new Map<Source, Promise<Model>>();
  const loaded = (source: Source): Promise<Model> => {
    const before = loads.get(source);
    if (before) return before;
    const model = load(source, options);
    loads.set(source, model);
    // Another call may succeed where this one did not.
    model.catch(() => loads.delete(source));
    return model;
  };
  const make = (given: Model | PromiseLike<Model> | Source): LanguageModelV4 => {
    if (given === "") throw new NoSuchModelError({ modelId: given, modelType: "languageModel" });
    if (isModel(given)) return new OrielLanguageModel(given.info.architecture, () => Promise.resolve(given));
    if (isPromise(given)) return new OrielLanguageModel("oriel", () => given);
    return new OrielLanguageModel(nameOf(given), () => loaded(given));
  };
  const none = (modelType: "embeddingModel" | "imageModel") => (modelId: string) => {
    throw new NoSuchModelError({ modelId, modelType, message: `Oriel has no ${modelType}: ${modelId}` });
  };
  const dispose = async () => {
    const models = [...loads.values()];
    loads.clear();
    await Promise.all(models.map((model) => model.then((model) => model.dispose(), () => undefined)));
  };
  return Object.assign(make, {
    specificationVersion: "v4" as const,
    languageModel: make,
    embeddingModel: none("embeddingModel"),
    imageModel: none("imageModel"),
    dispose,
  });
}

/** A provider that loads by the package's defaults. */
export const oriel: OrielProvider = /* @__PURE__ */ createOriel();

function isModel(given: object | string): given is Model {
  return typeof (given as Partial<Model>).generate === "function";
}

function isPromise(given: object | string): given is PromiseLike<Model> {
  return typeof (given as Partial<PromiseLike<Model>>).then === "function";
}

/** What telemetry and errors call a model by its source. */
function nameOf(source: Source): string {
  if (typeof source === "string" || source instanceof URL) return String(source);
  return "name" in source && typeof source.name === "string" ? source.name : "oriel";
}
