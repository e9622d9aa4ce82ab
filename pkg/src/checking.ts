// The heads of a model's files -> what it would take, and whether it would run; no weights are read.

import { ask, chunks, readWhole, sniff, type Opened } from "./bytes.js";
import type { Choice } from "./device.js";
import type { Engine, EngineHeads, EngineOptions, Survey } from "./engine.js";
import { OrielError, toOrielError, type OrielErrorCode } from "./errors.js";
import { letGo } from "./loading.js";
import { chosen } from "./machine.js";
import { resolve, type SideFile } from "./resolve.js";
import { INDEX, type Wanted } from "./source.js";

/** What a check is told. */
export type CheckedOptions = Pick<EngineOptions, "device" | "precision" | "cache" | "context">;

/** Whether and how a model would run. */
export interface Fit {
  /** `ready`: its files are here; `downloadable`: they are to be fetched; `unavailable`: it can't run here, or not so. */
  status: "ready" | "downloadable" | "unavailable";
  /** What a load would fetch; null where a server does not tell. */
  downloadBytes: number | null;
  /** What it would take where it runs: weights, cache and activations, at the context asked for or the default one. */
  gpuBytes: number | null;
  /** The longest context that fits, at most what the model was trained for; 0 where the model itself does not fit. */
  maxContext: number | null;
  /** Where it would run, and why there. */
  device: "webgpu" | "cpu";
  deviceReason: string;
  /** In words for people: what stands in the way, if anything, and why that device. */
  reasons: string[];
}

/** What an engine says of a model that it can't run; other errors are the network's, the caller's or our own. */
const REFUSALS: ReadonlySet<OrielErrorCode> = new Set([
  ...(["unsupported", "model-mismatch", "file-damaged", "tokenizer", "template"] as const),
  ...(["out-of-memory", "no-webgpu"] as const),
]);

/** Of the files beside the weights, those that sizes depend on; of others only the length is wanted. */
const TELLING = ["config.json", INDEX];

const PIECE_BYTES = 2 ** 18;
/** What WebGPU lets every device bind at once. */
const LEAST_BINDING = 2 ** 27;
/** What WebAssembly can address. */
const PROCESSOR_BYTES = 2 ** 32;

/**
 * Checks a model.
 * @throws what the files and the network throw, and the core for options that no model can serve; `aborted`.
 */
export async function checkModel(
  engine: Engine,
  wanted: Wanted,
  options: CheckedOptions,
  signal: AbortSignal,
): Promise<Fit> {
  const { device: asked, ...core } = options;
  let choice: Choice = { device: "webgpu", reason: "WebGPU was asked for" };
  let survey: Survey | undefined;
  let faults: string[];
  const files = new Files(engine.heads(), signal);
  try {
    choice = await engine.choose({ device: asked, activations: "auto" });
    if (choice.device === "cpu") chosen("auto");
    await files.read(wanted);
    const { bindingLimit = LEAST_BINDING } = choice;
    const onProcessor = choice.device === "cpu";
    survey = files.heads.survey(core, onProcessor, onProcessor ? PROCESSOR_BYTES : bindingLimit);
    faults = misfits(survey, choice);
  } catch (thrown) {
    const error = toOrielError(thrown);
    if (!REFUSALS.has(error.code)) throw error;
    faults = [error.message];
  } finally {
    letGo(files.heads);
  }
  const { device, reason } = choice;
  const place = device === "cpu" ? "the processor" : "the GPU";
  return {
    status: faults.length > 0 ? "unavailable" : files.local ? "ready" : "downloadable",
    downloadBytes: files.bytes,
    gpuBytes: survey?.gpuBytes ?? null,
    maxContext: survey?.maxContext ?? null,
    ...{ device, deviceReason: reason },
    reasons: [...faults, `on ${place}: ${reason}`],
  };
}

/** What does not fit, in words. */
function misfits({ context, maxContext, gpuBytes }: Survey, { device }: Choice): string[] {
  if (maxContext >= context) return [];
  const [takes, has] = [gpuBytes, PROCESSOR_BYTES].map((bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`);
  const fault =
    device === "cpu"
      ? `with a context of ${context} it takes ${takes}, and the processor's path has ${has}`
      : `keys and values of a layer with a context of ${context} take more than the GPU binds at once`;
  return [maxContext > 0 ? `${fault}; a context of ${maxContext} fits` : fault];
}

/** What a survey leaves out: parameters, tables of the choice, a module's own data. */
const UNCOUNTED_SHARE = 0.03;
const UNCOUNTED_BYTES = 100_000;

/** Precisions of ever fewer bits. */
const FEWER_BITS = ["q8", "q4"] as const;

/**
 * The error of a load that ran out of memory, with what would fit: in the `heldBytes` that a GPU gave, or in what memory
 * the processor has.
 * @throws never: where the files can't be read again, the error is as it was
 */
export async function whatWouldFit(
  engine: Engine,
  wanted: Wanted,
  options: EngineOptions,
  error: OrielError,
  heldBytes: number,
  signal: AbortSignal,
): Promise<OrielError> {
  const { device, bindingLimit = LEAST_BINDING } = engine.choice() ?? {};
  const onProcessor = device === "cpu";
  const bytes = onProcessor ? engine.mostProcessorBytes() : heldBytes;
  const room = Math.max(0, bytes * (1 - UNCOUNTED_SHARE) - UNCOUNTED_BYTES);
  const contextAt = async (precision: EngineOptions["precision"]) => {
    const files = new Files(engine.heads(), signal);
    try {
      await files.read(wanted);
      const asked = { precision, cache: options.cache };
      return files.heads.survey(asked, onProcessor, onProcessor ? PROCESSOR_BYTES : bindingLimit, room).maxContext;
    } finally {
      letGo(files.heads);
    }
  };
  const advise = async () => {
    const most = await contextAt(options.precision);
    if (most > 0) return `with a context of at most ${most} it would fit`;
    for (const precision of FEWER_BITS) {
      const most = await contextAt(precision);
      if (most > 0) return `with precision: "${precision}" and a context of at most ${most} it would fit`;
    }
    return "not even its weights fit: take a file of fewer bits, or a smaller model";
  };
  const advice = await advise().catch(() => "a smaller model, one of fewer bits or a shorter context takes less");
  return new OrielError("out-of-memory", `${error.message}; ${advice}`, { cause: error });
}

/** A model's files as far as a check reads them. */
class Files {
  /** Whether nothing of them has to be fetched. */
  local = true;
  /** Bytes to fetch, file by file. */
  #lengths: (number | undefined)[] = [undefined];

  constructor(
    readonly heads: EngineHeads,
    private readonly signal: AbortSignal,
  ) {}

  /** Bytes to fetch, once all are known. */
  get bytes(): number | null {
    return this.#lengths.reduce<number | null>(
      (sum, length) => (sum === null || length === undefined ? null : sum + length),
      0,
    );
  }

  async read(wanted: Wanted): Promise<void> {
    const listing = await resolve(wanted, this.signal);
    const side = await Promise.all(listing.side.map((file) => this.#side(file)));
    for (const { name, bytes } of side) if (bytes) this.heads.sideFile(name, bytes);
    const weights = listing.weights(this.heads.wanted());
    this.#lengths = [...side.map(({ length }) => length), ...weights.map(({ size }) => size)];
    for (const [place, file] of weights.entries()) {
      const opened = await ask(file, this.signal);
      this.#lengths[side.length + place] = this.#toFetch(opened, opened.length);
      await this.#head(opened);
    }
  }

  /** A file beside the weights; without bytes, where these don't matter or it is absent and need not be there. */
  async #side(file: SideFile): Promise<{ name: string; length: number | undefined; bytes?: Uint8Array }> {
    const { name } = file;
    try {
      const opened = await ask(file, this.signal);
      if (TELLING.includes(name)) {
        const bytes = await readWhole(opened, this.signal);
        return { name, length: this.#toFetch(opened, bytes.byteLength), bytes };
      }
      opened.body.cancel().catch(() => undefined);
      return { name, length: this.#toFetch(opened, opened.length) };
    } catch (error) {
      const absent = error instanceof OrielError && (error.code === "not-found" || error.code === "not-a-model");
      if (absent && !file.needed) return { name, length: 0 };
      throw error;
    }
  }

  /** A weight file, until its head is whole; then its stream is cancelled. */
  async #head(opened: Opened): Promise<void> {
    this.heads.begin(opened.name, opened.exact ? opened.length : undefined);
    let first = true;
    for await (const chunk of chunks(opened, this.signal)) {
      if (first) sniff(opened.name, chunk);
      first = false;
      for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) {
        if (this.heads.push(chunk.subarray(at, at + PIECE_BYTES))) return;
      }
    }
    this.heads.end();
  }

  /** What is here already is not to be fetched. */
  #toFetch({ source }: Opened, length: number | undefined): number | undefined {
    if (source === "file") return 0;
    this.local = false;
    return length;
  }
}
