// A source -> whether and how its model would run, before it is fetched.

import type { Fit } from "./checking.js";
import { Client } from "./client.js";
import { OrielError, throwIfAborted, toOrielError } from "./errors.js";
import { HUB, startWorker } from "./load.js";
import { checkOptions, tokenOf, type CheckOptions } from "./options.js";
import { wanted, type Source } from "./source.js";

/**
 * What a model would take, and where it would run, by the heads of its files: a few megabytes at most, and no weights.
 *
 * ```ts
 * const { status, downloadBytes, maxContext, reasons } = await check("hf:owner/name/file.gguf");
 * ```
 * A model that can't run here is `unavailable`, for the `reasons` given.
 * @throws OrielError for options and sources that mean nothing, files that are not there, a network that fails; `aborted`.
 */
export async function check(source: Source, options?: CheckOptions): Promise<Fit> {
  const { signal, hub = HUB, revision = "main", token, ...rest } = checkOptions(options);
  const { device = "auto", precision = "auto", cache = "auto", context } = rest;
  throwIfAborted(signal);
  const base = globalThis.document?.baseURI ?? location.href;
  const files = await wanted(source, { base, hub: String(hub), revision, token: await tokenOf(token) });
  throwIfAborted(signal);
  const asked = { device, precision, cache, ...(context === undefined ? {} : { context }) };
  const client = new Client(startWorker());
  try {
    return await client.call("check", { wanted: files, options: asked }, { signal }).done;
  } catch (thrown) {
    throw toOrielError(thrown);
  } finally {
    void client.close(new OrielError("disposed", "the check has ended"));
  }
}
