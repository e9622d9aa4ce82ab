// What the browser's file system holds of models: a file of bytes and a record of it for each address.

import { OrielError, aborted } from "./errors.js";

/** Bytes that one checksum is of. */
export const BLOCK_BYTES = 2 ** 20;

/** What is known of a stored file. */
export interface StoredRecord {
  /** Its address, without query and credentials. */
  url: string;
  /** Bytes that are there. */
  have: number;
  /** Bytes in all, as far as the server says. */
  bytes: number | null;
  /** What the server names this state of the file by: its ETag, else its date. */
  version: string | null;
  /** What a listing names its content by. */
  oid: string | null;
  /** As a listing says. */
  sha256: string | null;
  /** SHA-256 of each block of what is there, in base64; the last may be a shorter one. */
  sums: string[];
  whole: boolean;
  /** When it was last written or loaded, ms since 1970. */
  used: number;
  /** A small answer that is no file of a model, such as a hub's listing; null: the source has no such file. */
  answer?: string | null;
}

/** In a worker only; the types of pages leave it out. */
export interface SyncHandle {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  close(): void;
}

const FOLDER = "oriel-models";

/** The folder of the stored models; undefined where the browser offers none (some don't in private windows). */
export async function folder(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    const root = await navigator.storage.getDirectory();
    return await held(root, () => root.getDirectoryHandle(FOLDER, { create: true }));
  } catch {
    return undefined;
  }
}

/** The name that an address is stored by. The whole address counts, and nothing of it can be read from the name. */
export async function keyOf(url: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(url));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** How often a record is read that is being written meanwhile. */
const READS = 3;

/** A file's record; undefined if there is none. */
export async function readRecord(folder: FileSystemDirectoryHandle, key: string): Promise<StoredRecord | undefined> {
  for (let read = 0; read < READS; read++) {
    try {
      const file = await contents(folder, `${key}.json`);
      // What stands behind the first line is left of a longer record before it.
      const [line = ""] = (await file.text()).split("\n", 1);
      return JSON.parse(line) as StoredRecord;
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
    }
  }
  return undefined;
}

/** Whoever writes holds the file. */
export async function writeRecord(folder: FileSystemDirectoryHandle, key: string, record: StoredRecord): Promise<void> {
  const handle = await openFile(folder, `${key}.json`);
  try {
    const text = new TextEncoder().encode(`${JSON.stringify(record)}\n`);
    if (handle.write(text, { at: 0 }) < text.length) throw new DOMException("no room for a record", "QuotaExceededError");
    handle.truncate(text.length);
  } finally {
    handle.close();
  }
}

/** Opens a file for reading and writing, in a worker. */
export async function openFile(folder: FileSystemDirectoryHandle, name: string): Promise<SyncHandle> {
  const handle = (await folder.getFileHandle(name, { create: true })) as unknown as Opener;
  return held(handle, () => handle.createSyncAccessHandle());
}

interface Opener {
  createSyncAccessHandle(): Promise<SyncHandle>;
}

const asked = new Set<object>();

/** What a handle is asked for; it is held meanwhile, as Chromium never answers one that is collected as garbage before. */
async function held<T>(handle: object, ask: () => Promise<T>): Promise<T> {
  asked.add(handle);
  try {
    return await ask();
  } finally {
    asked.delete(handle);
  }
}

/** The bytes that are there of a file. */
export function storedFile(folder: FileSystemDirectoryHandle, key: string): Promise<Blob> {
  return contents(folder, `${key}.bin`);
}

async function contents(folder: FileSystemDirectoryHandle, name: string): Promise<File> {
  const handle = await folder.getFileHandle(name);
  return held(handle, () => handle.getFile());
}

export async function remove(folder: FileSystemDirectoryHandle, key: string): Promise<void> {
  // The record first: bytes without one are nothing to a load.
  for (const name of [`${key}.json`, `${key}.bin`]) {
    await folder.removeEntry(name).catch((error: unknown) => {
      if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
    });
  }
}

/** Waits until no other tab loads or deletes the file; whoever holds it calls what this gives. */
export function hold(key: string, signal?: AbortSignal): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const taken = () => new Promise<void>((release) => resolve(release));
    navigator.locks.request(`oriel ${key}`, signal ? { signal } : {}, taken).catch((cause: unknown) => {
      reject(signal?.aborted ? aborted(signal) : new OrielError("engine", "the browser's locks failed", { cause }));
    });
  });
}
