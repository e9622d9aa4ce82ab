// What a page keeps of an engine that may be lost: by which passes its cache came to hold what it holds, and how often it
// was lost.

import type { ModelInfo, EngineOptions } from "./engine.js";
import type { OrielError, OrielErrorCode } from "./errors.js";
import type { Progress } from "./options.js";

/** What befalls a loaded model, and no call of its own tells. */
export type ModelEvent =
  /** The GPU or the worker was lost. What was going on waits, and goes on once there is another. */
  | { type: "lost"; error: OrielError }
  /** How far loading again has come. */
  | { type: "healing"; progress: Progress }
  /** What was going on goes on where it stood, `ms` after the loss. */
  | { type: "healed"; ms: number }
  /** There is no going on, for this reason; every call throws it. */
  | { type: "failed"; error: OrielError };

/** `[start, 1 where its tokens ran alone, token...]` */
export type Pass = number[];

/** `[from, pass...]`: passes from there on give way to these. */
export type CacheChange = [number, ...Pass[]];

/** Errors after which another engine can take an answer up where this one stood. */
export const LOSSES: ReadonlySet<OrielErrorCode> = new Set(["device-lost", "engine"]);

/** Errors of a load that may pass: a browser may take a moment until it has a GPU again. */
export const PASSING: ReadonlySet<OrielErrorCode> = new Set([
  ...(["device-lost", "engine", "no-webgpu", "device", "network", "truncated", "out-of-memory"] as const),
]);

/** How long to wait before each try to load again. */
export const TRIES_MS = [0, 1000, 3000];

/** Losses in a row with nothing achieved between them, after which there is no going on. */
const MOST_FRUITLESS = 3;
const FRUITLESS_MS = 600_000;
/** Losses within a minute after which there is none either. */
const MOST_A_MINUTE = 10;

/** How often the engine was lost lately. */
export class Losses {
  #times: number[] = [];
  #fruitless = 0;

  /** Something was achieved. */
  progress(): void {
    this.#fruitless = 0;
  }

  /** One more; why not to go on, if so. */
  count(now: number): string | undefined {
    const last = this.#times.at(-1) ?? now;
    this.#fruitless = now - last < FRUITLESS_MS ? this.#fruitless + 1 : 1;
    this.#times = [...this.#times.filter((time) => now - time < 60_000), now];
    if (this.#fruitless >= MOST_FRUITLESS) return `${this.#fruitless} times in a row at the same place`;
    return this.#times.length >= MOST_A_MINUTE ? `${this.#times.length} times within a minute` : undefined;
  }
}

/** So many positions that give way, or half of what there was, are another conversation's turn and worth a note. */
const WORTH = 32;
/** Other conversations that are noted at most, and their tokens. */
const MOST_NOTES = 64;
const MOST_NOTED = 65_536;

/** The passes behind an engine's cache, as it tells of them, and behind what it held of other conversations before. */
export class Ledger {
  #passes: Pass[] = [];
  #others: Pass[][] = [];

  get passes(): readonly Pass[] {
    return this.#passes;
  }

  /** The passes of every conversation, those that stand in the cache last. */
  get all(): readonly (readonly Pass[])[] {
    return [...this.#others, this.#passes];
  }

  change([from, ...passes]: CacheChange): void {
    const before = endOf(this.#passes.at(-1));
    if (before > 0 && before - from >= Math.min(WORTH, before / 2)) this.#note(structuredClone(this.#passes));
    this.#passes = this.#passes.filter(([start = 0]) => start < from);
    const last = this.#passes.at(-1);
    if (last?.[1] === 1) last.length = Math.min(last.length, 2 + from - (last[0] ?? 0));
    for (const pass of passes) {
      const before = this.#passes.at(-1);
      const follows = before?.[1] === 1 && pass[1] === 1 && (before[0] ?? 0) + before.length - 2 === pass[0];
      if (follows) for (const token of pass.slice(2)) before.push(token);
      else this.#passes.push(pass);
    }
  }

  /** Keeps passes that are about to give way, the latest last; what these go on from needs no note any more. */
  #note(passes: Pass[]): void {
    const tokens = tokensOf(passes);
    const beginsIt = (other: number[]) => other.every((token, place) => token === tokens[place]);
    this.#others = [...this.#others.filter((other) => !beginsIt(tokensOf(other))), passes];
    const noted = () => this.#others.reduce((sum, other) => sum + endOf(other.at(-1)), 0);
    while (this.#others.length > MOST_NOTES || noted() > MOST_NOTED) this.#others.shift();
  }
}

/** Behind the last position of a pass. */
const endOf = (pass: Pass | undefined): number => (pass ? (pass[0] ?? 0) + pass.length - 2 : 0);

function tokensOf(passes: readonly Pass[]): number[] {
  const all: number[] = [];
  for (const [start, _, ...tokens] of passes) {
    all.length = start ?? 0;
    for (const token of tokens) all.push(token);
  }
  return all;
}

/** The options by which a load comes to the same kernels on the same device as the one before it. */
export function sameAgain(
  options: EngineOptions,
  { device, tuning }: Pick<ModelInfo, "tuning"> & Pick<EngineOptions, "device">,
): EngineOptions {
  if (device === "webgpu") return { ...options, device, tuning: tuning ?? options.tuning };
  return { ...options, device, tuning: options.device === "auto" ? "start" : options.tuning };
}
