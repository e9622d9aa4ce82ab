// Conversations as bytes, and kept in the browser's database under names.

import { OrielError, toOrielError } from "./errors.js";
import { messages as checkedMessages, type Message } from "./options.js";

const MAGIC = "oriel-session ";
const VERSION = "1";
/** Bytes ahead of what is written as JSON: a line that says what it is, a length and a sum of 4 bytes each. */
const LINE = `${MAGIC}${VERSION}\n`;
const HEAD = LINE.length + 8;
const DATABASE = "oriel-sessions";
/** Sessions' bytes, and what a list tells of them, each by its name. */
const BYTES = "bytes";
const NOTES = "notes";

/** A conversation on its way into or out of a file. */
export interface Saved {
  messages: Message[];
  /** Tokens of the conversation as its last turn left it. */
  tokens: number;
  /** What stood of it in the engine's cache; empty where nothing did. It has a sum of its own. */
  cache: Uint8Array;
}

/** A conversation that `session.save(name)` has kept. */
export interface StoredSession {
  /** What `model.restore` and `delete` take. */
  name: string;
  bytes: number;
  savedAt: Date;
}

/** The conversations that this origin has saved under names. */
export interface StoredSessions {
  /** What there is, the latest first. */
  list(): Promise<StoredSession[]>;
  /** Away with one; nothing happens where there is none of the name. */
  delete(session: Pick<StoredSession, "name">): Promise<void>;
  /** Away with all. */
  clear(): Promise<void>;
}

/** The head, the conversation as JSON, and the cache; numbers with their least byte first. */
export function toBytes({ messages, tokens, cache }: Saved): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const said = encoder.encode(JSON.stringify({ messages, tokens, cacheBytes: cache.length }));
  const bytes = new Uint8Array(HEAD + said.length + cache.length);
  bytes.set(encoder.encode(LINE));
  const numbers = new DataView(bytes.buffer, LINE.length);
  numbers.setUint32(0, said.length, true);
  numbers.setUint32(4, sumOf(said), true);
  bytes.set(said, HEAD);
  bytes.set(cache, HEAD + said.length);
  return bytes;
}

/**
 * The other way round.
 * @throws OrielError `file-damaged` for other bytes; `unsupported` for another version's
 */
export function fromBytes(bytes: Uint8Array): Saved {
  const damaged = (what: string, cause?: unknown) => new OrielError("file-damaged", `restore: ${what}`, { cause });
  const line = new TextDecoder().decode(bytes.subarray(0, LINE.length));
  if (!line.startsWith(MAGIC)) throw damaged("these bytes are no saved session");
  if (bytes.length < HEAD) throw damaged("the session ends early");
  if (line !== LINE) throw new OrielError("unsupported", `restore: the session was saved by another version of Oriel`);
  const numbers = new DataView(bytes.buffer, bytes.byteOffset + LINE.length);
  const end = HEAD + numbers.getUint32(0, true);
  if (bytes.length < end) throw damaged("the session ends early");
  const text = bytes.subarray(HEAD, end);
  if (sumOf(text) !== numbers.getUint32(4, true)) throw damaged("the session is damaged");
  try {
    const { messages, tokens, cacheBytes } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
    if (!Number.isSafeInteger(tokens) || tokens < 0) throw new Error("tokens is no number");
    if (cacheBytes !== bytes.length - end) throw new Error(`${bytes.length - end} of ${cacheBytes} bytes of its cache`);
    return { messages: checkedMessages(messages), tokens, cache: bytes.subarray(end) };
  } catch (error) {
    throw damaged(`the session is damaged: ${toOrielError(error).message}`, error);
  }
}

/** FNV-1a. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}

/**
 * Keeps bytes under a name: all of them or, where that fails, what was there before.
 * @throws OrielError `quota` where there is no room; `engine` where the browser keeps nothing
 */
export async function keep(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await within("readwrite", (store) => {
      store(NOTES).put({ bytes: bytes.length, savedAt: new Date() }, name);
      return store(BYTES).put(bytes, name);
    });
  } catch (cause) {
    const isFull = cause instanceof DOMException && cause.name === "QuotaExceededError";
    const why = isFull ? `it has no room for ${bytes.length} bytes` : toOrielError(cause).message;
    throw new OrielError(isFull ? "quota" : "engine", `save: the browser kept nothing of ${name}: ${why}`, { cause });
  }
}

/** What was kept under a name. @throws OrielError `not-found`; `engine` where the browser keeps nothing */
export async function kept(name: string): Promise<Uint8Array> {
  const found = await ask("readonly", (store) => store(BYTES).get(name));
  if (found instanceof Uint8Array) return found;
  throw new OrielError("not-found", `restore: no session was saved as ${name} by this origin`);
}

async function list(): Promise<StoredSession[]> {
  const names: IDBValidKey[] = [];
  const notes = await ask("readonly", (store) => {
    const asked = store(NOTES).getAllKeys();
    asked.onsuccess = () => names.push(...asked.result);
    return store(NOTES).getAll();
  });
  const found = names.map((name, place) => ({ name: String(name), ...(notes[place] as Omit<StoredSession, "name">) }));
  return found.sort((a, b) => b.savedAt.getTime() - a.savedAt.getTime());
}

async function drop({ name }: Pick<StoredSession, "name">): Promise<void> {
  await ask("readwrite", (store) => {
    store(NOTES).delete(name);
    return store(BYTES).delete(name);
  });
}

async function clear(): Promise<void> {
  await ask("readwrite", (store) => {
    store(NOTES).clear();
    return store(BYTES).clear();
  });
}

export const storedSessions: StoredSessions = { list, delete: drop, clear };

/** Questions to the stores of the database, by their names; what the last one gives. */
type Questions<T> = (store: (name: string) => IDBObjectStore) => IDBRequest<T>;

/** As `within`. @throws OrielError `engine` where the browser has no database for this page, as in some private windows */
function ask<T>(mode: IDBTransactionMode, questions: Questions<T>): Promise<T> {
  return within(mode, questions).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OrielError("engine", `the browser's database of saved sessions can't be used: ${why}`, { cause });
  });
}

/** Asks the database, all or nothing. */
function within<T>(mode: IDBTransactionMode, questions: Questions<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => [BYTES, NOTES].forEach((name) => opening.result.createObjectStore(name));
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction([BYTES, NOTES], mode);
      transaction.onabort = () => (database.close(), reject(transaction.error));
      const asked = questions((name) => transaction.objectStore(name));
      transaction.oncomplete = () => (database.close(), resolve(asked.result));
    };
  });
}
