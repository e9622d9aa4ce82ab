// A repository on a hub -> its files, and which GGUF of several serves a device best.

import type { Choice } from "./device.js";
import { OrielError } from "./errors.js";
import type { Files } from "./supply.js";
import { SPLIT_GGUF, type Wanted, type WebPlace } from "./source.js";

type Hub = Extract<Wanted, { kind: "hub" }>;

/** A file of a repository's listing. */
export interface HubFile {
  path: string;
  size: number;
  oid?: string;
  sha256?: string;
}

/** Where a model would run, and bytes that it may well take there. */
export type Room = () => Promise<{ device: Choice["device"]; bytes: number }>;

/** A file of a repository; the hub redirects to where its bytes are. */
export function hubPlace({ hub, repository, revision, token }: Hub, path: string): WebPlace {
  const escaped = path.split("/").map(encodeURIComponent).join("/");
  const url = `${hub}/${repository}/resolve/${encodeURIComponent(revision)}/${escaped}`;
  return { url, ...(token === undefined ? {} : { token }) };
}

/** What a hub lists: large files with their SHA-256, small ones by what git calls them. */
interface Entry {
  type: string;
  path: string;
  size: number;
  oid?: string;
  lfs?: { oid?: string; size?: number };
}

/** The files of a repository's folder. */
export async function list(wanted: Hub, below: string, signal: AbortSignal, from: Files): Promise<HubFile[]> {
  const { hub, repository, revision, token } = wanted;
  const inside = below === "" ? "" : `/${below.split("/").filter(Boolean).map(encodeURIComponent).join("/")}`;
  const url = `${hub}/api/models/${repository}/tree/${encodeURIComponent(revision)}${inside}`;
  const place = { url, ...(token === undefined ? {} : { token }) };
  const text = await from.text({ name: `the list of ${repository}`, place }, signal).catch((error: unknown) => {
    if (!(error instanceof OrielError) || error.code !== "not-found") throw error;
    const where = revision === "main" ? hub : `${hub} at revision ${revision}`;
    const advice = token === undefined ? "the option token opens a private one" : "the token does not open it";
    throw new OrielError("not-found", `${repository} is not on ${where}, or it is private; ${advice}`);
  });
  try {
    const entries = (JSON.parse(text) as Entry[]).filter(({ type }) => type === "file");
    return entries.map(({ path, size, oid, lfs }) => {
      const sha256 = /^[0-9a-f]{64}$/.exec(lfs?.oid ?? "")?.[0];
      const name = sha256 ?? oid;
      return { path, size: lfs?.size ?? size, ...(name ? { oid: name } : {}), ...(sha256 ? { sha256 } : {}) };
    });
  } catch (cause) {
    throw new OrielError("network", `${hub} answered with something else than a list of files`, { cause });
  }
}

/**
 * Quantisations from the most useful on, with the bytes that they take on a device over those of the file; the ones that
 * are missing here Oriel does not read.
 */
const KINDS: Readonly<Record<string, number>> = {
  ...{ Q4_K_M: 1.15, Q4_K_S: 1.05, Q4_K: 1.1, Q4_1: 1, Q4_0: 1.1, Q5_K_M: 1.5, Q5_K_S: 1.5, Q5_K: 1.5, Q6_K: 1.3, Q8_0: 1 },
  ...{ F16: 1, FP16: 1, BF16: 1, F32: 0.5, FP32: 0.5 },
};
const ORDER = Object.keys(KINDS);

/** A model that takes no more than this share of the room with eight bits is better served by them than by four. */
const SMALL_SHARE = 1 / 16;

/**
 * The GGUF file of a repository that is named, or that its device is best served by; undefined if there is none at all.
 * @throws OrielError `not-found` for a quantisation that is not there, `unsupported` where none can be read.
 */
export async function bestGguf(
  { repository, quant }: Hub,
  files: readonly HubFile[],
  room: Room,
): Promise<{ file: HubFile; why?: string } | undefined> {
  const gguf = files.filter(({ path }) => /\.gguf$/i.test(path) && !/mmproj/i.test(path));
  const whole = gguf.filter(({ path }) => !SPLIT_GGUF.test(path));
  if (quant !== undefined) {
    const file = whole.find(({ path }) => isKind(path, quant));
    if (file) return { file };
    const split = gguf.some(({ path }) => isKind(path, quant));
    if (split) throw new OrielError("unsupported", `${repository} has ${quant} only split in several files; ${holds(gguf)}`);
    throw new OrielError("not-found", `${repository} has no GGUF file of the kind ${quant}; ${holds(gguf)}`);
  }
  if (gguf.length === 0) return undefined;
  const known = whole.flatMap((file) => {
    const kind = ORDER.find((name) => isKind(file.path, name));
    return kind === undefined ? [] : [{ file, kind, bytes: file.size * (KINDS[kind] ?? 1) }];
  });
  if (known.length < 2) {
    const file = known[0]?.file ?? (whole.length === 1 ? whole[0] : undefined);
    if (file) return { file };
    const readable = `a kind that is supported (${ORDER.join(", ")}, in one file)`;
    throw new OrielError("unsupported", `${repository} has no GGUF file of ${readable}; ${holds(gguf)}`);
  }
  known.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  const { device, bytes } = await room();
  const small = known.find(({ kind, bytes: takes }) => kind === "Q8_0" && takes <= bytes * SMALL_SHARE);
  const least = known.reduce((least, one) => (one.bytes < least.bytes ? one : least));
  const best = small ?? known.find(({ bytes: takes }) => takes <= bytes) ?? least;
  const place = device === "cpu" ? "the processor" : "the GPU";
  const why = `of ${known.length} quantisations of ${repository} ${best.kind} fits ${place} best: ${best.file.path}`;
  return { file: best.file, why };
}

/** Whether a file's name has a quantisation in it as a word of its own. */
function isKind(path: string, kind: string): boolean {
  const literal = kind.replace(/[.]/g, "\\.");
  return new RegExp(`(?:^|[._/-])${literal}(?=[./-])`, "i").test(path);
}

export function holds(files: readonly HubFile[]): string {
  const names = files.slice(0, 12).map(({ path }) => path);
  const more = files.length > names.length ? ` and ${files.length - names.length} more` : "";
  return `it holds: ${names.join(", ") || "nothing"}${more}`;
}
