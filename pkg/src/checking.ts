// The heads of a model's files -> what it would take, and whether it would run; no weights are read.

import { ask, chunks, readWhole, sniff, type Opened } from "./bytes.js";
import type { Choice } from "./device.js";
import type { Engine, EngineHeads, EngineOptions, Survey } from "./engine.js";
import { OrielError, throwIfAborted, toOrielError, type OrielErrorCode } from "./errors.js";
import { Files as Sources, roomOf, type SideFile } from "./supply.js";
import type { Room } from "./hub.js";
import { letGo } from "./loading.js";
import { chosen } from "./machine.js";
import { resolve } from "./resolve.js";
import { INDEX, type NamedPlace, type Wanted } from "./source.js";

/** What a check is told. */
export type CheckedOptions = Pick<EngineOptions, "device" | "precision" | "cache" | "context">;

/** Whether and how a model would run. */
export interface Fit {
  /** `ready`: its files are here; `downloadable`: they are to be fetched; `unavailable`: it can't run here, or not so. */
  status: "ready" | "downloadable" | "unavailable";
  /** What a load would fetch; null where a server does not tell. */
  downloadBytes: number | null;
  /** Bytes of it that an earlier load has stored; a download that broke off goes on there. */
  storedBytes: number;
  /** What it would take where it runs: weights, cache and activations, at the context asked for or the default one. */
  gpuBytes: number | null;
  /** The same by length of the context, from 1024 positions on in doublings, as far as it fits. */
  gpuBytesByContext: { context: number; gpuBytes: number }[];
  /** The longest context that fits, at most what the model was trained for; 0 where the model itself does not fit. */
  maxContext: number | null;
  /**
   * New tokens a second, roughly, of an answer with little before it: by what the device multiplied, of a few megabytes of
   * weights, in a tenth of a second; the figure is kept for later checks. Expect it within a factor of three: a large model
   * on a large GPU is quicker, one that shares the machine slower. Null where the model can't run, or
   * nothing could be measured.
   */
  tokensPerSecond: number | null;
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
  const notices: string[] = [];
  const room = roomOf(engine, asked);
  let speed: number | undefined;
  let byContext: Fit["gpuBytesByContext"] = [];
  const files = new Files(engine, signal, room, notices);
  try {
    choice = await engine.choose({ device: asked, activations: "auto" });
    if (choice.device === "cpu") chosen("auto");
    await files.read(wanted);
    const { bindingLimit = LEAST_BINDING } = choice;
    const onProcessor = choice.device === "cpu";
    const limit = onProcessor ? PROCESSOR_BYTES : bindingLimit;
    survey = files.heads.survey(core, onProcessor, limit);
    const { maxContext } = survey;
    byContext = contexts(maxContext).map((context) => {
      const { gpuBytes } = files.again().survey({ ...core, context }, onProcessor, limit);
      return { context, gpuBytes };
    });
    faults = misfits(survey, choice);
    throwIfAborted(signal);
    if (faults.length === 0) speed = await engine.speed(choice);
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
    storedBytes: files.stored,
    gpuBytes: survey?.gpuBytes ?? null,
    gpuBytesByContext: byContext,
    maxContext: survey?.maxContext ?? null,
    tokensPerSecond: survey && speed ? speed / survey.tokenBytes : null,
    ...{ device, deviceReason: reason },
    reasons: [...faults, ...notices, `on ${place}: ${reason}`],
  };
}

/** Lengths of contexts that people ask for, up to the most, which is one of them. */
function contexts(most: number): number[] {
  const found: number[] = [];
  for (let context = 1024; context < most; context *= 2) found.push(context);
  return most > 0 ? [...found, most] : [];
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
    const files = new Files(engine, signal, roomOf(engine, options.device));
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
  /** Bytes that are here of what is on servers. */
  stored = 0;
  readonly #from: Sources;
  heads: EngineHeads;
  /** What the heads were fed, for others like them. */
  readonly #fed: ((heads: EngineHeads) => unknown)[] = [];

  constructor(
    private readonly engine: Pick<Engine, "heads">,
    private readonly signal: AbortSignal,
    private readonly room: Room,
    notices: string[] = [],
  ) {
    this.heads = engine.heads();
    this.#from = new Sources("look", (notice) => notices.push(notice));
  }

  /** Bytes to fetch, once all are known. */
  get bytes(): number | null {
    return this.#lengths.reduce<number | null>(
      (sum, length) => (sum === null || length === undefined ? null : sum + length),
      0,
    );
  }

  async read(wanted: Wanted): Promise<void> {
    const listing = await resolve(wanted, this.signal, this.#from, this.room);
    const side = await Promise.all(listing.side.map((file) => this.#side(file)));
    for (const { name, bytes } of side) if (bytes) this.#feed((heads) => heads.sideFile(name, bytes));
    const weights = listing.weights(this.heads.wanted());
    this.#lengths = [...side.map(({ length }) => length), ...weights.map(({ size }) => size)];
    for (const [place, file] of weights.entries()) {
      const { opened, have } = await this.#ask(file);
      this.#lengths[side.length + place] = this.#toFetch(opened, opened.length, have);
      await this.#head(opened);
    }
  }

  /** Heads of the same files, as a survey uses them up. */
  again(): EngineHeads {
    letGo(this.heads);
    this.heads = this.engine.heads();
    for (const feed of this.#fed) feed(this.heads);
    return this.heads;
  }

  #feed<T>(feed: (heads: EngineHeads) => T): T {
    this.#fed.push(feed);
    return feed(this.heads);
  }

  /** A file beside the weights; without bytes, where these don't matter or it is absent and need not be there. */
  async #side(file: SideFile): Promise<{ name: string; length: number | undefined; bytes?: Uint8Array }> {
    const { name } = file;
    try {
      const { opened, have } = await this.#ask(file);
      if (TELLING.includes(name)) {
        const bytes = await readWhole(opened, this.signal);
        return { name, length: this.#toFetch(opened, bytes.byteLength, have), bytes };
      }
      opened.body.cancel().catch(() => undefined);
      return { name, length: this.#toFetch(opened, opened.length, have) };
    } catch (error) {
      if (!file.needed && (await this.#from.isAbsent(file, error))) return { name, length: 0 };
      throw error;
    }
  }

  /** A file from storage, where it is whole there, or from its server, with how much of it is stored. */
  async #ask(file: NamedPlace): Promise<{ opened: Opened; have: number }> {
    const { name } = file;
    const { have = 0, whole } = (await this.#from.find(file)) ?? {};
    this.stored += have;
    if (!whole) return { opened: await ask(file, this.signal), have };
    return { opened: { name, length: whole.size, exact: true, source: "cache", body: whole.stream() }, have };
  }

  /** A weight file, until its head is whole; then its stream is cancelled. */
  async #head(opened: Opened): Promise<void> {
    this.#feed((heads) => heads.begin(opened.name, opened.exact ? opened.length : undefined));
    let first = true;
    for await (const chunk of chunks(opened, this.signal)) {
      if (first) sniff(opened.name, chunk);
      first = false;
      for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) {
        const piece = chunk.subarray(at, at + PIECE_BYTES);
        if (this.#feed((heads) => heads.push(piece))) return;
      }
    }
    this.heads.end();
  }

  /** What is here already is not to be fetched. */
  #toFetch({ source }: Opened, length: number | undefined, have: number): number | undefined {
    if (source !== "network") return 0;
    this.local = false;
    return length === undefined ? undefined : Math.max(0, length - have);
  }
}
