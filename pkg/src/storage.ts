// The models that the browser keeps: what there is, how much room it takes, and away with it. Needs no engine.

import { storedSessions, type StoredSessions } from "./kept.js";
import { folder, hold, keyOf, readRecord, remove } from "./records.js";

/** A stored file of a model. */
export interface StoredFile {
  /** What `delete` takes. */
  key: string;
  /** Where it came from, without query and credentials. */
  url: string;
  /** Whether nothing was left out of `url`: a load of it takes what is here. */
  exactUrl: boolean;
  /** Bytes that are here. */
  bytes: number;
  /** Bytes in all; null where the server did not say. */
  totalBytes: number | null;
  /** Whether it is here to its end; another load goes on where it stands. */
  whole: boolean;
  /** When it was last written or loaded. */
  usedAt: Date;
}

/** Room that this origin has. */
export interface StorageUsage {
  /** Bytes of stored models. */
  bytes: number;
  /** Bytes of all that the origin keeps. */
  originBytes: number;
  /** Bytes that the browser grants the origin. */
  quota: number;
  /** Whether the browser has promised not to delete them by itself. */
  persisted: boolean;
}

async function list(): Promise<StoredFile[]> {
  const found: StoredFile[] = [];
  const stored = await folder();
  if (!stored) return found;
  for await (const name of stored.keys()) {
    if (!name.endsWith(".json")) continue;
    const key = name.slice(0, -".json".length);
    const record = await readRecord(stored, key);
    if (!record || record.answer !== undefined) continue;
    const { url, have, bytes, whole, used } = record;
    const exactUrl = (await keyOf(url)) === key;
    found.push({ key, url, exactUrl, bytes: have, totalBytes: bytes, whole, usedAt: new Date(used) });
  }
  return found.sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
}

async function usage(): Promise<StorageUsage> {
  const { usage = 0, quota = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  const persisted = (await navigator.storage?.persisted?.()) ?? false;
  const bytes = (await list()).reduce((sum, file) => sum + file.bytes, 0);
  return { bytes, originBytes: usage, quota, persisted };
}

/** Waits for a load of the file that goes on, in any tab. */
async function drop({ key }: Pick<StoredFile, "key">): Promise<void> {
  const stored = await folder();
  if (!stored) return;
  const release = await hold(key);
  try {
    await remove(stored, key);
  } finally {
    release();
  }
}

async function clear(): Promise<void> {
  const stored = await folder();
  if (!stored) return;
  const keys = new Set<string>();
  for await (const name of stored.keys()) keys.add(name.replace(/\.\w+$/, ""));
  for (const key of keys) await drop({ key });
}

/** Asks the browser to keep what is stored until the visitor deletes it; whether it will. */
async function persist(): Promise<boolean> {
  return (await navigator.storage?.persist?.()) ?? false;
}

/** The models that this origin has stored; and, as `sessions`, the conversations that `session.save(name)` did. */
export const storage = { list, usage, delete: drop, clear, persist, sessions: storedSessions as StoredSessions };
