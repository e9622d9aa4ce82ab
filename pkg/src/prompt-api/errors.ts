// What went wrong -> the exceptions that callers of the browser's LanguageModel expect.

import { OrielError } from "../index.js";

export function exception(name: string, message: string): DOMException {
  return new DOMException(message, name);
}

/** An error of the engine under the name that the platform has for it; the reason of an abort stays what it is. */
export function toException(error: unknown, otherwise: string): unknown {
  if (!(error instanceof OrielError)) return error;
  const { code, message } = error;
  if (code === "aborted") return error.cause ?? exception("AbortError", message);
  if (["network", "not-found", "truncated"].includes(code)) return exception("NetworkError", message);
  if (["unsupported", "no-webgpu", "model-mismatch", "not-a-model"].includes(code)) {
    return exception("NotSupportedError", message);
  }
  return exception(otherwise, `${code}: ${message}`);
}

/** Newer browsers have a class of this name. */
type QuotaClass = new (message: string, options: { requested: number; quota: number }) => DOMException;

/** What was asked takes more tokens than the context window has. */
export function quotaExceeded(requested: number, quota: number): DOMException {
  const message = `${requested} tokens are asked for, and the context window has ${quota}`;
  const { QuotaExceededError } = globalThis as { QuotaExceededError?: QuotaClass };
  if (QuotaExceededError) return new QuotaExceededError(message, { requested, quota });
  return Object.defineProperties(exception("QuotaExceededError", message), {
    requested: { value: requested, enumerable: true },
    quota: { value: quota, enumerable: true },
  });
}
