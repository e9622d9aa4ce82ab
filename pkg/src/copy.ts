// One file on its way to the core: what is stored of it is checked block by block, what is fetched is stored.

import { refuse, request } from "./bytes.js";
import { OrielError, toOrielError } from "./errors.js";
import { BLOCK_BYTES, remove, writeRecord, type StoredRecord, type SyncHandle } from "./records.js";
import { Sha256 } from "./sha256.js";
import { shown, type NamedPlace, type WebPlace } from "./source.js";

/** How often a record is written while bytes come: what a tab that dies loses at most. */
const RECORD_BYTES = 32 * 2 ** 20;

/** What a load is told of storage, in words for people; `mended` is where stored bytes were damaged. */
export type Say = (notice: string, mended?: { at: number; total: number | null }) => void;

/** Where a file is stored, and where it comes from. */
export interface Shelved {
  folder: FileSystemDirectoryHandle;
  key: string;
  handle: SyncHandle;
  file: NamedPlace & { place: WebPlace };
  signal: AbortSignal;
  say: Say;
}

export function noRoom(url: string, missing: number): OrielError {
  const advice = 'delete a stored model, or load with storage: "none"';
  return new OrielError("quota", `${shown(url)} can't be stored: ${missing} bytes of room are missing; ${advice}`);
}

/** A stored copy in the making, or in use. */
export class Copy {
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  /** Sums that are still computed, beside what goes on. */
  #summing: Promise<void>[] = [];
  #blocks: number;
  #recorded: number;
  #closed = false;
  readonly #hash: Sha256 | undefined;

  constructor(
    private readonly at: Shelved,
    private readonly record: StoredRecord,
  ) {
    this.#recorded = record.have;
    this.#blocks = record.sums.length;
    // What is whole was compared with the source's sum when it was fetched; since then its blocks' sums stand for it.
    if (!record.whole && record.sha256 !== null) this.#hash = new Sha256();
  }

  /** The stored bytes, then the rest as it comes. */
  async *through(rest: ReadableStream<Uint8Array> | undefined): AsyncGenerator<Uint8Array, void> {
    const reader = rest?.getReader();
    try {
      yield* this.#stored();
      if (!reader) return await this.#note();
      this.#resume();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        await this.#keep(value);
        this.#hash?.push(value);
        yield value;
      }
    } finally {
      reader?.cancel().catch(() => undefined);
      if (reader) await this.#tail();
    }
    await this.#complete();
  }

  async close(): Promise<void> {
    if (!this.#closed) this.at.handle.close();
    this.#closed = true;
  }

  /** What is there, each block read and summed while the one before it is taken. */
  async *#stored(): AsyncGenerator<Uint8Array, void> {
    const blocks = Math.ceil(this.record.have / BLOCK_BYTES);
    let next = blocks > 0 ? this.#read(0) : undefined;
    for (let place = 0; place < blocks; place++) {
      const { bytes, sum } = next as { bytes: Uint8Array; sum: Promise<string> };
      next = place + 1 < blocks ? this.#read(place + 1) : undefined;
      if ((await sum) !== this.record.sums[place]) await this.#mend(bytes, place);
      this.#hash?.push(bytes);
      yield bytes;
    }
  }

  #read(place: number): { bytes: Uint8Array; sum: Promise<string> } {
    const at = place * BLOCK_BYTES;
    const bytes = new Uint8Array(Math.min(BLOCK_BYTES, this.record.have - at));
    const read = this.at.handle.read(bytes, { at });
    return { bytes, sum: read === bytes.length ? sumOf(bytes) : Promise.resolve("short") };
  }

  /** A damaged block is fetched again, and said. */
  async #mend(bytes: Uint8Array, place: number): Promise<void> {
    const { file, signal, say, handle } = this.at;
    const at = place * BLOCK_BYTES;
    const notice = `${file.name}: ${bytes.length} stored bytes from ${at} on were damaged and have been fetched again`;
    const range = { range: `bytes=${at}-${at + bytes.length - 1}` };
    const answer = await request(file.place, signal, { headers: range, cache: "no-store" });
    if (answer.status !== 206) refuse(answer, file.place.url);
    const fetched = answer.body ? await take(answer.body, answer.status === 206 ? 0 : at, bytes) : 0;
    if (fetched < bytes.length || (await sumOf(bytes)) !== this.record.sums[place]) {
      await this.#drop();
      const what = "its stored copy is damaged, and its source has something else by now; load again";
      throw new OrielError("file-damaged", `${file.name}: ${what}`);
    }
    handle.write(bytes, { at });
    say(notice, { at, total: this.record.bytes });
  }

  /** Goes on in the middle of the last block. */
  #resume(): void {
    const { record } = this;
    this.#filled = record.have % BLOCK_BYTES;
    if (this.#filled === 0) return;
    this.at.handle.read(this.#block.subarray(0, this.#filled), { at: record.have - this.#filled });
    this.#blocks = Math.floor(record.have / BLOCK_BYTES);
  }

  async #keep(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < BLOCK_BYTES) continue;
      await this.#store(this.#block);
      this.#blocks += 1;
      this.#filled = 0;
      if (this.record.have - this.#recorded >= RECORD_BYTES) await this.#note();
    }
  }

  /** Writes a block to its place, and has it summed meanwhile. */
  async #store(block: Uint8Array): Promise<void> {
    const { record } = this;
    const place = this.#blocks;
    const at = place * BLOCK_BYTES;
    const summing = sumOf(block).then((sum) => void (record.sums[place] = sum));
    await this.#guard(async () => {
      if (this.at.handle.write(block, { at }) < block.length) throw new DOMException("", "QuotaExceededError");
    });
    this.#summing.push(summing);
    record.have = at + block.length;
  }

  /** What a break leaves of a block is kept too: the next load goes on at the very byte. */
  async #tail(): Promise<void> {
    if (this.#closed) return;
    if (this.#filled > 0) await this.#store(this.#block.subarray(0, this.#filled));
    this.#filled = 0;
    await this.#note();
  }

  async #complete(): Promise<void> {
    const { record, at } = this;
    if (this.#closed) return;
    // Whoever reads the stream says so of a wrong length; here it only must not count as whole.
    if (at.file.size !== undefined && record.have < at.file.size) return this.#drop();
    const sum = this.#hash?.end();
    if (sum !== undefined && sum !== record.sha256) {
      await this.#drop();
      throw new OrielError("file-damaged", `${at.file.name}: its SHA-256 is ${sum}; the source says ${record.sha256}`);
    }
    record.bytes = record.have;
    record.whole = true;
    at.handle.truncate(record.have);
    await this.#note();
  }

  /** No flush: it costs more than all else, and what a machine that dies has lost shows by the blocks' sums. */
  async #note(): Promise<void> {
    const { folder, key } = this.at;
    const { record } = this;
    await this.#guard(async () => {
      await Promise.all(this.#summing.splice(0));
      record.used = Date.now();
      this.#recorded = record.have;
      await writeRecord(folder, key, record);
    });
  }

  /** Where there is no room, what there is of the file goes: the rest of it would find none either. */
  async #guard(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (cause) {
      if (!(cause instanceof DOMException)) throw cause;
      const { have, bytes, url } = this.record;
      await this.#drop();
      if (cause.name === "QuotaExceededError") throw noRoom(url, Math.max(BLOCK_BYTES, (bytes ?? 0) - have));
      throw new OrielError("engine", `${url} could not be stored: ${toOrielError(cause).message}`, { cause });
    }
  }

  async #drop(): Promise<void> {
    await this.close();
    await remove(this.at.folder, this.at.key);
  }
}

async function sumOf(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return btoa(String.fromCharCode(...new Uint8Array(hash)));
}

/** Fills `into` with what comes after so many bytes; how much there was. */
async function take(body: ReadableStream<Uint8Array>, skipped: number, into: Uint8Array): Promise<number> {
  const reader = body.getReader();
  let [at, filled] = [0, 0];
  while (filled < into.length) {
    const { done, value } = await reader.read();
    if (done) break;
    const part = value.subarray(Math.max(0, skipped - at)).subarray(0, into.length - filled);
    into.set(part, filled);
    filled += part.length;
    at += value.length;
  }
  reader.cancel().catch(() => undefined);
  return filled;
}
