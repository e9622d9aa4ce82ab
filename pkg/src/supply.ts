// A model's files by way of storage, where that is wanted and there is one; without a network, what is stored counts.

import { ask, readWhole, type Opened } from "./bytes.js";
import type { Say } from "./copy.js";
import type { Engine, EngineOptions } from "./engine.js";
import { OrielError } from "./errors.js";
import type { Room } from "./hub.js";
import { Shelf } from "./shelf.js";
import type { NamedPlace, WebPlace } from "./source.js";

/** A file that need not be there. */
export interface SideFile extends NamedPlace {
  needed: boolean;
}

/** A file on a server whose answers can be kept; what a page has made an address for (blob:, data:) is not. */
function onServer(file: NamedPlace): file is NamedPlace & { place: WebPlace } {
  return "url" in file.place && /^https?:/i.test(file.place.url);
}

/** Where the bytes of one load come from. */
export class Files {
  #shelf: Promise<Shelf | undefined> | undefined;

  constructor(
    /** `look`: what is stored is looked at, and nothing added. */
    private readonly stored: boolean | "look",
    readonly say: Say,
  ) {}

  /** As `ask` of bytes.ts. */
  async ask(file: NamedPlace, signal: AbortSignal): Promise<Opened> {
    const shelf = await this.#for(file);
    return shelf && onServer(file) ? shelf.ask(file, signal) : ask(file, signal);
  }

  /** A file beside the weights; without bytes where it is absent and need not be there. */
  async side(file: SideFile, signal: AbortSignal): Promise<{ name: string; bytes?: Uint8Array }> {
    try {
      return { name: file.name, bytes: await readWhole(await this.ask(file, signal), signal) };
    } catch (error) {
      if (file.needed || !(await this.isAbsent(file, error))) throw error;
      return { name: file.name };
    }
  }

  /** Whether a file is not there by this error; without a network, what was found out last counts. */
  async isAbsent(file: NamedPlace, error: unknown): Promise<boolean> {
    if (!(error instanceof OrielError)) return false;
    const absent = error.code === "not-found" || error.code === "not-a-model";
    if (!onServer(file) || (!absent && error.code !== "network")) return absent;
    const shelf = await this.#for(file);
    if (absent && this.stored === true) await shelf?.keepAnswer(file.place, null);
    return absent || (await shelf?.keptAnswer(file.place)) === null;
  }

  /** A small text that changes: the network's, and only without one what it was last. */
  async text(file: NamedPlace & { place: WebPlace }, signal: AbortSignal): Promise<string> {
    const shelf = await this.#for(file);
    try {
      const text = new TextDecoder().decode(await readWhole(await ask(file, signal, { cache: "no-store" }), signal));
      if (this.stored === true) await shelf?.keepAnswer(file.place, text);
      return text;
    } catch (error) {
      if (!(error instanceof OrielError) || error.code !== "network") throw error;
      const kept = await shelf?.keptAnswer(file.place);
      if (typeof kept !== "string") throw error;
      return kept;
    }
  }

  /** What is here of a file. */
  async find(file: NamedPlace): Promise<{ have: number; whole?: Blob } | undefined> {
    return onServer(file) ? (await this.#for(file))?.find(file) : undefined;
  }

  /** Lets go of files that were no model after all. */
  async forget(files: readonly NamedPlace[]): Promise<void> {
    for (const file of files) if (onServer(file)) await (await this.#for(file))?.forget(file);
  }

  async #for(file: NamedPlace): Promise<Shelf | undefined> {
    if (!this.stored || !onServer(file)) return undefined;
    this.#shelf ??= Shelf.open(this.stored === "look" ? () => undefined : this.say);
    return this.#shelf;
  }
}

/** Of the machine's memory, what a model may well take. */
const FAIR_SHARE = 0.5;
/** What machines have at least that run such models, where the browser does not say. */
const USUAL_GIB = 4;
/** What WebAssembly can address, less what is no model. */
const PROCESSOR_BYTES = 3.5 * 2 ** 30;

/** The room for a model where it would run: browsers tell no more than the machine's memory, and some not that. */
export function roomOf(engine: Pick<Engine, "choose">, device: EngineOptions["device"]): Room {
  return async () => {
    const choice = await engine.choose({ device, activations: "auto" });
    const { deviceMemory = USUAL_GIB } = (globalThis.navigator ?? {}) as { deviceMemory?: number };
    const bytes = deviceMemory * 2 ** 30 * FAIR_SHARE;
    return { device: choice.device, bytes: choice.device === "cpu" ? Math.min(bytes, PROCESSOR_BYTES) : bytes };
  };
}
