// A source -> a model in a worker of its own.

import { Client, type WorkerLike } from "./client.js";
import type { EngineOptions } from "./engine.js";
import { OrielError, throwIfAborted, toOrielError } from "./errors.js";
import { Model } from "./model.js";
import { loadOptions, type LoadOptions } from "./options.js";
import { wanted, type Source } from "./source.js";

const HUB = "https://huggingface.co";

/**
 * Loads a model. Its bytes go from the source through a worker to the GPU, piece by piece.
 *
 * ```ts
 * const model = await load("hf:owner/name/file.gguf", { onProgress: ({ phase, loaded, total }) => ... });
 * ```
 * @throws OrielError; an aborted or failed load leaves nothing on the GPU.
 */
export async function load(source: Source, options?: LoadOptions): Promise<Model> {
  const { signal, onProgress, hub = HUB, revision = "main", ...rest } = loadOptions(options);
  throwIfAborted(signal);
  const { device = "auto", precision = "auto", cache = "auto", tuning = "auto", context } = rest;
  const sized = context === undefined ? {} : { context };
  const engineOptions: EngineOptions = { device, precision, cache, tuning, ...sized };
  const files = await wanted(source, {
    base: globalThis.document?.baseURI ?? location.href,
    hub: String(hub),
    revision,
  });
  if (device !== "cpu") requireWebGPU();
  throwIfAborted(signal);
  const client = new Client(startWorker());
  try {
    const info = await client.call("load", { wanted: files, options: engineOptions }, { signal, onProgress }).done;
    return new Model(client, info);
  } catch (thrown) {
    const error = toOrielError(thrown);
    void client.close(error);
    throw error;
  }
}

/** Bundlers know this very expression and bring the worker's file along. */
function startWorker(): WorkerLike {
  try {
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "oriel" });
  } catch (cause) {
    const reason = "its file must come from the page's own origin, and the page's policy must allow it";
    throw new OrielError("engine", `the engine's worker could not be started: ${reason}`, { cause });
  }
}

function requireWebGPU(): void {
  if ("gpu" in navigator) return;
  const reason = isSecureContext
    ? "this browser does not offer WebGPU; recent versions of Chrome, Edge, Safari and Firefox do"
    : "browsers offer WebGPU only to pages from https:// or localhost, and this page is from neither";
  throw new OrielError("no-webgpu", reason);
}
