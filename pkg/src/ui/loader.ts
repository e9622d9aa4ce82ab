// What a part of a page wants loaded, as it changes -> one model at a time, and how far it is. No framework is named here.

import { OrielError, load } from "../index.js";
import type { LoadOptions, Model, ModelEvent, Progress, RequestNote, Source } from "../index.js";

/** Where a model stands. */
export interface LoadState {
  /**
   * `idle`: nothing is wanted. `healing`: the GPU or the worker was lost, and calls wait until there is another. `error`:
   * there is no model; `retry` may help.
   */
  readonly status: "idle" | "loading" | "ready" | "healing" | "error";
  /** There while it is `ready` or `healing`. */
  readonly model: Model | undefined;
  /** How far the load is, or the healing. */
  readonly progress: Progress | undefined;
  readonly error: OrielError | undefined;
}

/** How it is loaded: `load`'s options; who shows the model ends the load, so there is no signal. */
export type WantedOptions = Omit<LoadOptions, "signal">;

const IDLE: LoadState = { status: "idle", model: undefined, progress: undefined, error: undefined };

/** Callbacks may come, go and be new each time without the model being another. */
const HEARD: ReadonlySet<string> = new Set(["onProgress", "onEvent", "onRequest"]);

export class Loader {
  #state = IDLE;
  #source: Source | null = null;
  #options: WantedOptions = {};
  #abort: AbortController | undefined;
  #holders = 0;
  readonly #listeners = new Set<() => void>();

  /** The state as it is; another object whenever it has changed. */
  readonly state = (): LoadState => this.#state;

  /** Calls at each change. Gives the function that ends it. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Says what is to be loaded, null for nothing. The same source with the same options goes on as it is. */
  want(source: Source | null, options: WantedOptions = {}): void {
    if ("signal" in options) {
      throw new OrielError("option", "signal is not an option here: the load ends with what shows the model");
    }
    const same = isSame(source, this.#source) && isSameOptions(options, this.#options);
    this.#options = options;
    if (same) return;
    this.#source = source;
    this.#begin();
  }

  /** Loads again, after an error. */
  readonly retry = (): void => {
    if (this.#state.status === "error") this.#begin();
  };

  /**
   * Says that the model is shown. The function that it gives says that it no longer is; unless somebody else holds it by
   * the next task, as when an element moves or a framework mounts twice, the load is aborted and the model freed.
   */
  hold(): () => void {
    this.#holders += 1;
    let held = true;
    return () => {
      if (held) this.#holders -= 1;
      held = false;
      setTimeout(() => this.#holders === 0 && this.want(null));
    };
  }

  #begin(): void {
    this.#abort?.abort();
    void this.#state.model?.dispose();
    const abort = (this.#abort = new AbortController());
    const source = this.#source;
    if (source === null) return this.#set(IDLE);
    this.#set({ ...IDLE, status: "loading" });
    const { signal } = abort;
    const onProgress = (progress: Progress) => {
      if (!signal.aborted) this.#set({ ...this.#state, progress });
      this.#options.onProgress?.(progress);
    };
    const onEvent = (event: ModelEvent) => {
      if (!signal.aborted) this.#hear(event);
      this.#options.onEvent?.(event);
    };
    const onRequest = (note: RequestNote) => this.#options.onRequest?.(note);
    load(source, { ...this.#options, signal, onProgress, onEvent, onRequest }).then(
      (model) => (signal.aborted ? void model.dispose() : this.#set({ ...this.#state, status: "ready", model })),
      (error: OrielError) => signal.aborted || this.#set({ ...IDLE, status: "error", error }),
    );
  }

  #hear(event: ModelEvent): void {
    if (event.type === "lost") this.#set({ ...this.#state, status: "healing", progress: undefined });
    if (event.type === "healing") this.#set({ ...this.#state, progress: event.progress });
    if (event.type === "healed") this.#set({ ...this.#state, status: "ready" });
    if (event.type === "failed") {
      void this.#state.model?.dispose();
      this.#set({ ...IDLE, status: "error", error: event.error });
    }
  }

  #set(state: LoadState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}

function isSame(a: unknown, b: unknown): boolean {
  // What brings a token brings the same one.
  if (typeof a === "function" && typeof b === "function") return true;
  return a instanceof URL && b instanceof URL ? a.href === b.href : Object.is(a, b);
}

function isSameOptions(a: WantedOptions, b: WantedOptions): boolean {
  const names = Object.keys({ ...a, ...b }).filter((name) => !HEARD.has(name)) as (keyof WantedOptions)[];
  return names.every((name) => isSame(a[name], b[name]));
}
