// One file, wherever it is -> its bytes as a stream whose end is checked; answers that are no model are refused.

import { OrielError, aborted } from "./errors.js";
import { shown, type NamedPlace, type WebPlace } from "./source.js";

/** A file whose bytes have begun to come. */
export interface Opened {
  name: string;
  /** Bytes to come, if the server said so. */
  length: number | undefined;
  /** Whether `length` counts the file's bytes for certain, and not those of a compressed transfer. */
  exact: boolean;
  source: "network" | "cache" | "file";
  /** What the server names this state of the file by. */
  version?: string | null;
  body: ReadableStream<Uint8Array>;
}

/**
 * Asks for a file.
 * @throws OrielError `not-found`, `network`, `not-a-model`, `aborted`.
 */
export async function ask(file: NamedPlace, signal: AbortSignal, more: RequestInit = {}): Promise<Opened> {
  const { name, place } = file;
  if ("blob" in place) {
    return { name, length: place.blob.size, exact: true, source: "file", body: place.blob.stream() };
  }
  const response = await request(place, signal, more);
  refuse(response, place.url);
  const { body, headers } = response;
  if (!body) throw new OrielError("not-a-model", `${shown(place.url)} answered with nothing`);
  const announced = Number(headers.get("content-length") || Number.NaN);
  // Another origin may hide its Content-Encoding, and Content-Length then counts compressed bytes.
  const plain = response.type === "basic" && !headers.has("content-encoding");
  const length = file.size ?? (announced > 0 ? announced : undefined);
  const exact = file.size !== undefined || plain;
  return { name, length, exact, source: "network", version: versionOf(response), body };
}

/** An answer's ETag, else its date: another origin has to allow that the former is read. */
export function versionOf({ headers }: Response): string | null {
  return headers.get("etag") ?? headers.get("last-modified");
}

/**
 * The bytes of a file as they come.
 * @throws OrielError `network` or `truncated`, saying how far it came; `aborted`.
 */
export async function* chunks(opened: Opened, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const reader = opened.body.getReader();
  let seen = 0;
  const far = () => `after ${seen}${opened.length === undefined ? "" : ` of ${opened.length}`} bytes`;
  try {
    for (;;) {
      if (signal.aborted) throw aborted(signal);
      const { done, value } = await reader.read().catch((cause: unknown) => {
        if (signal.aborted) throw aborted(signal);
        if (cause instanceof OrielError) throw cause;
        const what = opened.source === "file" ? "can't be read any more" : "broke off";
        throw new OrielError("network", `${opened.name} ${what} ${far()}`, { cause });
      });
      if (done) break;
      seen += value.byteLength;
      yield value;
    }
  } finally {
    // Lets go of the connection if the caller stopped early, and lets what has come be stored.
    await reader.cancel().catch(() => undefined);
  }
  // A length of a compressed transfer says nothing of the file's; gzip can even make it longer.
  if (opened.exact && opened.length !== undefined && seen !== opened.length) {
    throw new OrielError("truncated", `${opened.name} ended ${far()}; the download or the file is damaged`);
  }
}

/** The largest file that is read whole: a tokenizer.json of a great vocabulary is about 35 MB. */
const WHOLE_BYTES = 256 * 2 ** 20;

/** A small file, whole. */
export async function readWhole(opened: Opened, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of chunks(opened, signal)) {
    size += part.byteLength;
    if (size > WHOLE_BYTES) {
      throw new OrielError("unsupported", `${opened.name} is larger than ${WHOLE_BYTES} bytes`);
    }
    parts.push(part);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** Refuses bytes that show in their first characters that they are no model. */
export function sniff(name: string, start: Uint8Array): void {
  const text = new TextDecoder("latin1").decode(start.subarray(0, 64)).trimStart().toLowerCase();
  if (text.startsWith("<!doctype") || text.startsWith("<html")) throw new OrielError("not-a-model", webPage(name));
  if (text.startsWith("version https://git-lfs")) {
    throw new OrielError("not-a-model", `${name} is a Git LFS pointer, not the file that it stands for`);
  }
}

/** @throws OrielError `network`, `aborted`. */
export async function request({ url, token }: WebPlace, signal: AbortSignal, more: RequestInit = {}): Promise<Response> {
  const headers = new Headers(more.headers);
  // Browsers leave it out where they are redirected to another origin.
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  try {
    // Nothing about the page goes to the model's host beyond what a request can't do without.
    return await fetch(url, { referrerPolicy: "no-referrer", credentials: "same-origin", ...more, signal, headers });
  } catch (cause) {
    if (signal.aborted) throw aborted(signal);
    const reason = "the server can't be reached, or it does not allow pages of other origins to read it (CORS)";
    throw new OrielError("network", `${shown(url)} could not be fetched: ${reason}`, { cause });
  }
}

/** Refuses every answer but a whole file. */
export function refuse(response: Response, address: string): void {
  const url = shown(address);
  const { status } = response;
  const answer = `${url} answered ${status}${response.statusText ? ` ${response.statusText}` : ""}`;
  if (status === 404 || status === 410) throw new OrielError("not-found", `${answer}: no such file there`);
  if (status === 401 || status === 403) {
    throw new OrielError("not-found", `${answer}: it is private, asks for consent on its site, or does not exist`);
  }
  if (status === 429) throw new OrielError("network", `${answer}: the server asks to wait before the next request`);
  if (status !== 200) throw new OrielError("network", `${answer}; expected 200`);
  if (/^text\/html\b/i.test(response.headers.get("content-type") ?? "")) {
    throw new OrielError("not-a-model", webPage(url));
  }
}

function webPage(name: string): string {
  return `${name} is a web page, not a model file; on the Hugging Face Hub, take the address of the download`;
}
