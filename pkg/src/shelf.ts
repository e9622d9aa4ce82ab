// A file on a server -> its bytes, from the browser's file system as far as they are there, stored as they come.

import { ask, refuse, request, versionOf, type Opened } from "./bytes.js";
import { Copy, noRoom, type Say } from "./copy.js";
import { OrielError } from "./errors.js";
import { folder, hold, keyOf, openFile, readRecord, remove, storedFile, writeRecord } from "./records.js";
import type { StoredRecord } from "./records.js";
import { shown, type NamedPlace, type WebPlace } from "./source.js";

/** A file on a server. */
type WebFile = NamedPlace & { place: WebPlace };

/** A file that is about to be read: what is stored, and the stream of what isn't. */
interface Begun {
  record: StoredRecord;
  rest?: Opened;
}

/** The stored files as loads use them, in a worker. */
export class Shelf {
  private constructor(
    private readonly folder: FileSystemDirectoryHandle,
    private readonly say: Say,
  ) {}

  /** Undefined, and said, where the browser stores nothing. */
  static async open(say: Say): Promise<Shelf | undefined> {
    const able = globalThis.navigator?.locks && typeof FileSystemFileHandle !== "undefined";
    const found = able && "createSyncAccessHandle" in FileSystemFileHandle.prototype ? await folder() : undefined;
    if (found) return new Shelf(found, say);
    say("this browser stores no files for this page, so the model is not kept for the next visit");
    return undefined;
  }

  /** As `ask` of bytes.ts; waits while another tab loads the same file. */
  async ask(file: WebFile, signal: AbortSignal): Promise<Opened> {
    const key = await keyOf(file.place.url);
    const release = await hold(key, signal);
    try {
      const record = await this.#current(await readRecord(this.folder, key), file, signal);
      const begun: Begun = record?.whole ? { record } : await this.#begin(record, file, signal);
      const handle = await openFile(this.folder, `${key}.bin`);
      const copy = new Copy({ ...{ folder: this.folder, key, handle, file, signal }, say: this.say }, begun.record);
      const { rest } = begun;
      const body = streamOf(copy.through(rest?.body), async () => (await copy.close(), release()));
      const { whole, bytes } = begun.record;
      const source = whole ? "cache" : "network";
      return { name: file.name, length: bytes ?? undefined, exact: whole || (rest?.exact ?? false), source, body };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** What is here of a file, and its bytes if they are all here and as the listing has them. */
  async find(file: WebFile): Promise<{ have: number; whole?: Blob } | undefined> {
    const key = await keyOf(file.place.url);
    const record = await readRecord(this.folder, key);
    if (!record || !isListed(record, file)) return undefined;
    return { have: record.have, ...(record.whole ? { whole: await storedFile(this.folder, key) } : {}) };
  }

  /** Lets go of a file that is no model after all. */
  async forget(file: WebFile): Promise<void> {
    await this.#held(file.place, (key) => remove(this.folder, key));
  }

  /** A small answer, for when there is no network; null: that there is no such file. */
  async keepAnswer(place: WebPlace, answer: string | null): Promise<void> {
    const url = shown(place.url);
    const empty = { have: 0, bytes: null, version: null, oid: null, sha256: null, sums: [], whole: false };
    await this.#held(place, async (key) => {
      await remove(this.folder, key);
      await writeRecord(this.folder, key, { url, ...empty, used: Date.now(), answer });
    });
  }

  async keptAnswer(place: WebPlace): Promise<string | null | undefined> {
    return (await readRecord(this.folder, await keyOf(place.url)))?.answer;
  }

  async #held(place: WebPlace, run: (key: string) => Promise<void>): Promise<void> {
    const key = await keyOf(place.url);
    const release = await hold(key);
    await run(key).finally(release);
  }

  /** The record, unless the source has another file by now. Without a network, what is stored counts. */
  async #current(record: StoredRecord | undefined, file: WebFile, signal: AbortSignal): Promise<StoredRecord | undefined> {
    if (!record || record.answer !== undefined || !isListed(record, file)) return undefined;
    if (!record.whole || (file.oid !== undefined && file.oid === record.oid)) return record;
    const answer = await request(file.place, signal, { method: "HEAD", cache: "no-store" }).catch((error: unknown) => {
      if (error instanceof OrielError && error.code === "network") return undefined;
      throw error;
    });
    if (answer?.status !== 200) return record;
    const version = versionOf(answer);
    if (version !== null && record.version !== null) return version === record.version ? record : undefined;
    // All that such a server tells is a length, and that only where it is not one of a compressed transfer.
    const length = Number(answer.headers.get("content-length") || Number.NaN);
    const plain = answer.type === "basic" && !answer.headers.has("content-encoding");
    return plain && length > 0 && length !== record.bytes ? undefined : record;
  }

  /** Asks for what is missing, or for everything where the source can't go on or is not known to be the same. */
  async #begin(
    record: StoredRecord | undefined,
    file: WebFile,
    signal: AbortSignal,
  ): Promise<Begun> {
    const { place, name } = file;
    if (record && record.have > 0 && (record.version !== null || record.oid !== null)) {
      // No If-Range: another origin would have to allow it. The answer's own version says as much.
      const range = { range: `bytes=${record.have}-` };
      const answer = await request(place, signal, { headers: range, cache: "no-store" });
      const came = /^bytes (\d+)-\d+\/(\d+)?/.exec(answer.headers.get("content-range") ?? "");
      const same = versionOf(answer) === record.version || record.oid !== null;
      const fits = !came || Number(came[1]) === record.have;
      if (answer.status === 206 && same && fits && answer.body) {
        record.bytes = file.size ?? (came?.[2] ? Number(came[2]) : record.bytes);
        const exact = file.size !== undefined || came?.[2] !== undefined;
        return { record, rest: { name, length: record.bytes ?? undefined, exact, source: "network", body: answer.body } };
      }
      await answer.body?.cancel();
      if (![200, 206, 416].includes(answer.status)) refuse(answer, place.url);
    }
    const rest = await ask(file, signal, { cache: "no-store" });
    const fresh: StoredRecord = {
      ...{ url: shown(place.url), have: 0, bytes: rest.length ?? null, version: rest.version ?? null },
      ...{ oid: file.oid ?? null, sha256: file.sha256 ?? null, sums: [], whole: false, used: Date.now() },
    };
    await this.#room(fresh, rest, record?.have ?? 0);
    return { record: fresh, rest };
  }

  /** @throws OrielError `quota` before anything is fetched that there is no room for. */
  async #room({ bytes, url }: StoredRecord, rest: Opened, freed: number): Promise<void> {
    const { usage = 0, quota = Number.POSITIVE_INFINITY } = await navigator.storage.estimate();
    const missing = usage - freed + (bytes ?? 0) - quota;
    if (missing <= 0) return;
    rest.body.cancel().catch(() => undefined);
    throw noRoom(url, missing);
  }
}

/** Whether it is the file that a listing names; without a listing it may be. */
function isListed(record: StoredRecord, file: NamedPlace): boolean {
  if (file.oid !== undefined && record.oid !== null) return file.oid === record.oid;
  return file.size === undefined || record.bytes === null || file.size === record.bytes;
}

/** A stream of what is generated, only as it is asked for; `end` is called once, however it ends. */
function streamOf(source: AsyncGenerator<Uint8Array, void>, end: () => Promise<void>): ReadableStream<Uint8Array> {
  let ended: Promise<void> | undefined;
  const finish = () => (ended ??= end());
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await source.next();
          if (!done) return controller.enqueue(value);
          await finish();
          controller.close();
        } catch (error) {
          await finish();
          throw error;
        }
      },
      async cancel() {
        await source.return().catch(() => undefined);
        await finish();
      },
    },
    { highWaterMark: 0 },
  );
}
