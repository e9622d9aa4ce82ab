// oriel/prompt-api: the browser's LanguageModel over a model of ours, for browsers that have none.

import type { LoadOptions, Model, Source } from "./index.js";
import { exception, toException } from "./prompt-api/errors.js";
import { messagesOf, sampling as samplingOf, unsupported } from "./prompt-api/input.js";
import { LanguageModelSession } from "./prompt-api/session.js";
import { Shared } from "./prompt-api/shared.js";
import type { Availability, CreateCoreOptions, CreateMonitor, CreateOptions } from "./prompt-api/types.js";

export type { LanguageModelSession } from "./prompt-api/session.js";
export type * from "./prompt-api/types.js";

/** What stands under the name `LanguageModel`. */
export interface LanguageModelFactory {
  readonly prototype: LanguageModelSession;
  /** Whether there can be a session, and whether that would take a download. Nothing but the heads of files is fetched. */
  availability(options?: CreateCoreOptions): Promise<Availability>;
  /**
   * Loads the model, unless another session has it, and begins a session.
   * @throws NotSupportedError for what is no text, tools, and members that are not known; TypeError; QuotaExceededError
   */
  create(options?: CreateOptions): Promise<LanguageModelSession>;
}

/**
 * Makes a `LanguageModel`.
 * @param source what `load` takes, loaded for the first session and freed after the last; or a model of your own
 */
export function createLanguageModel(
  source: Source | Model,
  options: Omit<LoadOptions, "signal"> = {},
): LanguageModelFactory {
  if ("signal" in options) throw new TypeError("signal is not an option here: each call has its own");
  const shared = new Shared(source, options);
  return class LanguageModel extends LanguageModelSession {
    static async availability(options: CreateCoreOptions = {}): Promise<Availability> {
      samplingOf("availability", options);
      if (unsupported(options) !== undefined) return "unavailable";
      return shared.availability().catch((error: unknown) => {
        throw toException(error, "UnknownError");
      });
    }

    static async create(options: CreateOptions = {}): Promise<LanguageModel> {
      const sampling = samplingOf("create", options);
      const { initialPrompts = [], samplingMode = null, monitor, signal } = options;
      const initial = initialPrompts.length > 0 ? messagesOf("create", initialPrompts, true) : [];
      const fault = unsupported(options);
      if (fault !== undefined) throw exception("NotSupportedError", `create: ${fault}`);
      signal?.throwIfAborted();
      const held = await shared.take(told(monitor), signal).catch((error: unknown) => {
        throw signal?.aborted ? signal.reason : toException(error, "OperationError");
      });
      const session = new LanguageModel({ held, sampling, samplingMode, initial, turns: [], usage: 0 });
      try {
        if (!held.model.info.chat) throw exception("NotSupportedError", "create: the model has no chat template");
        await session.begin(signal);
        return session;
      } catch (error) {
        session.destroy();
        throw error;
      }
    }
  };
}

/**
 * Puts `LanguageModel` into a page's global object, only if its browser has none. Gives whether it did.
 *
 * ```ts
 * install(globalThis, "hf:owner/name/file.gguf");
 * const initialPrompts = [{ role: "system", content: "Answer in one sentence." }];
 * const session = await LanguageModel.create({ initialPrompts });
 * ```
 */
export function install(target: object, source: Source | Model, options?: Omit<LoadOptions, "signal">): boolean {
  if ("LanguageModel" in target) return false;
  const value = createLanguageModel(source, options);
  Object.defineProperty(target, "LanguageModel", { value, writable: true, enumerable: false, configurable: true });
  return true;
}

/** Who is told how the download goes: ever more of it, from 0 to 1. */
function told(monitor: CreateOptions["monitor"]): (share: number) => void {
  if (!monitor) return () => undefined;
  const target: CreateMonitor = Object.assign(new EventTarget(), { ondownloadprogress: null });
  target.addEventListener("downloadprogress", (event) => target.ondownloadprogress?.(event as ProgressEvent));
  monitor(target);
  let last = -1;
  return (share) => {
    if (share <= last) return;
    last = share;
    target.dispatchEvent(new ProgressEvent("downloadprogress", { lengthComputable: true, loaded: share, total: 1 }));
  };
}
