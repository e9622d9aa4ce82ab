// A source -> a model in a worker of its own.

import { Client, type WorkerLike } from "./client.js";
import { missing } from "./device.js";
import type { EngineOptions } from "./engine.js";
import { OrielError, throwIfAborted, toOrielError } from "./errors.js";
import * as own from "./files.js";
import { Model } from "./model.js";
import { loadOptions, tokenOf, type LoadOptions } from "./options.js";
import { wanted, type Source } from "./source.js";

export const HUB = "https://huggingface.co";

/**
 * Loads a model. Its bytes go from the source through a worker to the GPU, or the processor's memory, piece
 * by piece.
 *
 * ```ts
 * const model = await load("hf:owner/name/file.gguf", { onProgress: ({ phase, loaded, total }) => ... });
 * ```
 * @throws OrielError; an aborted or failed load leaves nothing on the device.
 */
export async function load(source: Source, options?: LoadOptions): Promise<Model> {
  const checked = loadOptions(options);
  const { signal, onProgress, onEvent, onRequest, hub = HUB, revision = "main", token, storage = "auto", ...rest } = checked;
  throwIfAborted(signal);
  const { device = "auto", precision = "auto", cache = "auto", tuning = "auto" } = rest;
  const { activations = "auto", instructions = "auto", threads, context, frameBudget } = rest;
  if (device === "webgpu" && (threads !== undefined || instructions !== "auto")) {
    const what = threads === undefined ? "instructions" : "threads";
    throw new OrielError("option", `load: ${what} are the processor's; the device that is asked for is webgpu`);
  }
  const engineOptions: EngineOptions = {
    ...{ device, precision, cache, tuning, activations, instructions, storage },
    ...(threads === undefined ? {} : { threads }),
    ...(context === undefined ? {} : { context }),
    ...(frameBudget === undefined ? {} : { frameBudget }),
  };
  const files = await wanted(source, {
    base: globalThis.document?.baseURI ?? location.href,
    hub: String(hub),
    revision,
    token: await tokenOf(token),
  });
  if (device === "webgpu" && !("gpu" in navigator)) throw new OrielError("no-webgpu", missing(undefined));
  throwIfAborted(signal);
  const client = new Client(startWorker(), { start: startWorker, onEvent, onRequest });
  try {
    const info = await client.call("load", { wanted: files, options: engineOptions }, { signal, onProgress }).done;
    return new Model(client, info);
  } catch (thrown) {
    const error = toOrielError(thrown);
    void client.close(error);
    throw error;
  }
}

/** @throws OrielError `engine` */
export function startWorker(): WorkerLike {
  try {
    return own.startWorker();
  } catch (cause) {
    throw new OrielError("engine", `the engine's worker could not be started; ${own.NEEDS}`, { cause });
  }
}
