// A source -> one model for all sessions: loaded for the first, freed after the last.

import { check, load, type CheckOptions, type LoadOptions, type Model, type Source } from "../index.js";
import type { Availability } from "./types.js";

/** A model in use. */
export interface Held {
  readonly model: Model;
  /** Holds it once more. */
  again(): Held;
  release(): void;
}

interface Loading {
  model: Promise<Model>;
  abort: AbortController;
  holders: number;
  ready: boolean;
  /** 0 to 1, of what is fetched. */
  share: number;
  heard: Set<(share: number) => void>;
}

export class Shared {
  readonly #source: Source | Model;
  readonly #options: Omit<LoadOptions, "signal">;
  #loading: Loading | undefined;

  /** @param source of a model that is loaded already, its owner frees it */
  constructor(source: Source | Model, options: Omit<LoadOptions, "signal">) {
    this.#source = source;
    this.#options = options;
  }

  async availability(): Promise<Availability> {
    if (isModel(this.#source) || this.#loading?.ready) return "available";
    if (this.#loading) return "downloading";
    const { device, context, precision, cache, hub, revision, token } = this.#options;
    const options: CheckOptions = { device, context, precision, cache, hub, revision, token };
    const { status } = await check(this.#source, options);
    return status === "ready" ? "available" : status;
  }

  /** Holds the model, when it is there. Who gives up is no matter to others who wait. */
  async take(onShare: (share: number) => void, signal: AbortSignal | undefined): Promise<Held> {
    if (isModel(this.#source)) {
      onShare(0);
      onShare(1);
      return this.#held(this.#source, () => undefined);
    }
    const loading = (this.#loading ??= this.#begin(this.#source));
    loading.holders += 1;
    loading.heard.add(onShare);
    onShare(loading.share);
    try {
      const model = await unlessAborted(loading.model, signal);
      onShare(1);
      return this.#held(model, () => this.#release(loading), () => void (loading.holders += 1));
    } catch (error) {
      this.#release(loading);
      throw error;
    } finally {
      loading.heard.delete(onShare);
    }
  }

  #begin(source: Source): Loading {
    const abort = new AbortController();
    const { onProgress, onEvent } = this.#options;
    const model = load(source, {
      ...this.#options,
      signal: abort.signal,
      onProgress: (progress) => {
        onProgress?.(progress);
        const { phase, loaded, total } = progress;
        const share = phase === "fetch" && total ? Math.min(loaded / total, 1) : 0;
        if (share <= loading.share) return;
        loading.share = share;
        for (const tell of loading.heard) tell(share);
      },
      onEvent: (event) => {
        onEvent?.(event);
        // The next session gets another one.
        if (event.type === "failed") this.#forget(loading);
      },
    });
    const loading: Loading = { model, abort, holders: 0, ready: false, share: 0, heard: new Set() };
    model.then(
      () => void (loading.ready = true),
      () => this.#forget(loading),
    );
    return loading;
  }

  #release(loading: Loading): void {
    loading.holders -= 1;
    if (loading.holders > 0) return;
    this.#forget(loading);
    loading.abort.abort();
    loading.model.then((model) => model.dispose(), () => undefined);
  }

  #forget(loading: Loading): void {
    if (this.#loading === loading) this.#loading = undefined;
  }

  #held(model: Model, release: () => void, again: () => void = () => undefined): Held {
    let held = true;
    return {
      model,
      again: () => {
        again();
        return this.#held(model, release, again);
      },
      release: () => {
        if (held) release();
        held = false;
      },
    };
  }
}

function isModel(source: Source | Model): source is Model {
  return typeof (source as Partial<Model>).generate === "function";
}

export function unlessAborted<T>(promise: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).then(() => signal?.removeEventListener("abort", onAbort));
  });
}
