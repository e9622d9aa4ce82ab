// Files, one after another -> the core, in small pieces: the whole file never stands in memory.

import { chunks, sniff, type Opened } from "./bytes.js";
import { whatWouldFit } from "./checking.js";
import type { Engine, EngineLoading, EngineModel, EngineOptions } from "./engine.js";
import { aborted, toOrielError, type OrielErrorCode } from "./errors.js";
import type { Progress } from "./options.js";
import { Files, roomOf } from "./supply.js";
import { resolve } from "./resolve.js";
import type { NamedPlace, Wanted } from "./source.js";

/** What a stored file must not have led to: it is fetched anew the next time. */
const NO_MODEL: ReadonlySet<OrielErrorCode> = new Set([
  ...(["not-a-model", "file-damaged", "truncated", "model-mismatch", "unsupported", "tokenizer"] as const),
]);

/** The most that is handed to the core at once. */
const PIECE_BYTES = 2 ** 20;
/** How much may wait to be copied to the device. */
const UNSETTLED_BYTES = 32 * 2 ** 20;
/** How often progress is told. */
const REPORT_MS = 100;

/**
 * Loads a model. Whatever goes wrong, nothing of it stays on the device.
 * @throws what the files, the network and the core throw; `aborted`.
 */
export async function loadModel(
  engine: Engine,
  wanted: Wanted,
  options: EngineOptions,
  report: (progress: Progress) => void,
  signal: AbortSignal,
  notices: string[] = [],
): Promise<EngineModel> {
  const { storage, ...own } = options;
  const files = new Files(storage === "auto", (notice, mended) => {
    notices.push(notice);
    if (mended) report({ phase: "verify", loaded: mended.at, total: mended.total, source: "network", rate: 0 });
  });
  const listing = await resolve(wanted, signal, files, roomOf(engine, options.device));
  const loading = await engine.open(own);
  let model: EngineModel;
  let held = 0;
  try {
    const side = await Promise.all(listing.side.map((file) => files.side(file, signal)));
    for (const { name, bytes } of side) if (bytes) loading.sideFile(name, bytes);
    const weights = listing.weights(loading.wanted());
    const tally = new Tally(weights, report);
    for (const file of weights) {
      await files.ask(file, signal).then((opened) => stream(loading, opened, tally, signal)).catch(async (error) => {
        if (NO_MODEL.has(toOrielError(error).code)) await files.forget([file]);
        throw error;
      });
    }
    tally.tell({ phase: "compile", loaded: 0, total: 1 });
    if (signal.aborted) throw aborted(signal);
    held = loading.heldBytes();
    model = await loading.finish();
    tally.tell({ phase: "compile", loaded: 1, total: 1 });
    if (!signal.aborted) tally.tell({ phase: "ready", loaded: tally.fetched, total: tally.fetched });
  } catch (thrown) {
    const error = toOrielError(thrown);
    if (error.code === "out-of-memory" && held === 0) held = heldBytes(loading);
    letGo(loading);
    if (NO_MODEL.has(error.code)) await files.forget(listing.side);
    if (error.code !== "out-of-memory" || held === 0 || signal.aborted) throw error;
    throw await whatWouldFit(engine, wanted, options, error, held, signal);
  }
  if (!signal.aborted) return model;
  letGo(model);
  throw aborted(signal);
}

function heldBytes(loading: EngineLoading): number {
  try {
    return loading.heldBytes();
  } catch {
    return 0; // an engine that has just failed may fail again at this
  }
}

/** Frees, even an engine that has just failed and fails again at this. */
export function letGo(held: { free(): void }): void {
  try {
    held.free();
  } catch {
    // The error that led here says more, and the worker's end will free the rest.
  }
}

/** One weight file through to the device. */
async function stream(loading: EngineLoading, opened: Opened, tally: Tally, signal: AbortSignal): Promise<void> {
  tally.open(opened);
  try {
    loading.begin(opened.name, opened.exact ? opened.length : undefined);
  } catch (error) {
    // Nobody reads it: it would hold its place in storage for as long as the worker lives.
    await opened.body.cancel().catch(() => undefined);
    throw error;
  }
  let first = true;
  for await (const chunk of chunks(opened, signal)) {
    if (first) sniff(opened.name, chunk);
    first = false;
    for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES);
      loading.push(piece);
      tally.push(piece.byteLength);
      if (tally.unsettled < UNSETTLED_BYTES) continue;
      await loading.settle();
      tally.settle();
    }
  }
  await loading.settle();
  tally.settle();
  loading.end();
  tally.tell({ phase: "verify", loaded: tally.fetched, total: tally.total });
}

/** Counts bytes over all weight files, and tells of them now and then. */
class Tally {
  fetched = 0;
  unsettled = 0;
  #source: Progress["source"] = "network";
  #lengths: (number | undefined)[];
  #opened = 0;
  #told = 0;
  readonly #began = performance.now();

  constructor(
    weights: readonly NamedPlace[],
    private readonly report: (progress: Progress) => void,
  ) {
    this.#lengths = weights.map((file) => file.size);
  }

  /** Bytes in all, once every file's length is known and none has proved longer. */
  get total(): number | null {
    let total = 0;
    for (const length of this.#lengths) {
      if (length === undefined) return null;
      total += length;
    }
    return this.fetched > total ? null : total;
  }

  open(opened: Opened): void {
    this.#source = opened.source;
    this.#lengths[this.#opened] = opened.length;
    this.#opened += 1;
  }

  push(bytes: number): void {
    this.fetched += bytes;
    this.unsettled += bytes;
    const now = performance.now();
    if (now - this.#told < REPORT_MS) return;
    this.#told = now;
    this.tell({ phase: "fetch", loaded: this.fetched, total: this.total });
  }

  settle(): void {
    this.unsettled = 0;
    this.tell({ phase: "fetch", loaded: this.fetched, total: this.total });
    this.tell({ phase: "upload", loaded: this.fetched, total: this.total });
  }

  tell(progress: Omit<Progress, "source" | "rate">): void {
    const rate = Math.round(this.fetched / Math.max(0.001, (performance.now() - this.#began) / 1000));
    this.report({ ...progress, source: this.#source, rate });
  }
}
