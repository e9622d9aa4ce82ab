// What a caller names as a model -> which files that is, or how to find out. Nothing is fetched here.

import { OrielError } from "./errors.js";

/** One file of a model: an address, a file, or its bytes. */
export type Part = string | URL | Blob | ArrayBuffer;

/** A safetensors checkpoint whose files stand apart. */
export interface ModelParts {
  /** `config.json` */
  config: Part;
  /** `tokenizer.json` */
  tokenizer: Part;
  /** `tokenizer_config.json`, which holds the chat template of most models */
  tokenizerConfig?: Part | undefined;
  /** `chat_template.jinja` */
  chatTemplate?: Part | undefined;
  /** `generation_config.json` */
  generationConfig?: Part | undefined;
  /** `model.safetensors.index.json`, for weights in several files */
  index?: Part | undefined;
  /** `*.safetensors` */
  weights: readonly Part[];
}

/**
 * Where a model is:
 * - an address of a `.gguf` or `.safetensors` file, or of a folder (ending with `/`) with a safetensors checkpoint;
 * - `hf:owner/name`, `hf:owner/name:Q4_K_M` or `hf:owner/name/file.gguf` on the Hugging Face Hub; without a file or
 *   quantisation the one that fits the device best;
 * - a file from an `<input>` or a drop, a Blob, an ArrayBuffer; several files of one checkpoint as an array;
 * - a handle of the File System Access API, of a file or a folder;
 * - the parts of a checkpoint, one by one.
 */
export type Source = string | URL | Blob | ArrayBuffer | readonly File[] | FileSystemHandle | ModelParts;

/** An address, and what proves to its host that it may be read. */
export interface WebPlace {
  url: string;
  token?: string;
}

/** Where bytes are. Survives the way to the worker. */
export type Place = WebPlace | { blob: Blob };

/** A file by the name that the core knows it by. */
export interface NamedPlace {
  name: string;
  place: Place;
  /** Bytes, if a listing said so. */
  size?: number;
  /** What a listing names its content by. */
  oid?: string;
  /** SHA-256 in hexadecimal, if a listing said so. */
  sha256?: string;
}

/** What is to be loaded. Survives the way to the worker, which finds out the rest. */
export type Wanted =
  /** Files that are known one by one. */
  | { kind: "files"; side: NamedPlace[]; weights: NamedPlace[] }
  /** A folder on a server that can't be listed: its files have the usual names. */
  | { kind: "folder"; base: string; weights?: string }
  /** A repository on a hub. */
  | { kind: "hub"; hub: string; repository: string; revision: string; path?: string; quant?: string; token?: string };

/** Files beside the weights of a safetensors checkpoint, and whether it can't be read without them. */
export const SIDE_FILES: Readonly<Record<string, boolean>> = {
  "config.json": true,
  "tokenizer.json": true,
  "tokenizer_config.json": false,
  "generation_config.json": false,
  "chat_template.jinja": false,
};

/** The list of a sharded checkpoint's shards. */
export const INDEX = "model.safetensors.index.json";

const PART_NAMES: Readonly<Record<Exclude<keyof ModelParts, "weights">, string>> = {
  config: "config.json",
  tokenizer: "tokenizer.json",
  tokenizerConfig: "tokenizer_config.json",
  generationConfig: "generation_config.json",
  chatTemplate: "chat_template.jinja",
  index: INDEX,
};

/** What relative addresses and `hf:` names are resolved against. */
export interface Surroundings {
  base: string;
  hub: string;
  revision: string;
  /** For the hub, and for no other host. */
  token?: string | undefined;
}

/**
 * What a source means.
 * @throws OrielError `option` if it means nothing, `not-found` for a folder without the files.
 */
export async function wanted(source: Source, around: Surroundings): Promise<Wanted> {
  if (typeof source === "string" && source.startsWith("hf:")) return hubName(source, around);
  if (around.token !== undefined) throw new OrielError("option", "token is for hf: names, and the source is none");
  if (typeof source === "string" || source instanceof URL) return address(absolute(source, around));
  if (source instanceof Blob || source instanceof ArrayBuffer) {
    return { kind: "files", side: [], weights: [named("model", source, around)] };
  }
  if (Array.isArray(source)) return chosenFiles(source);
  if (isHandle(source)) return chosenFiles(await handleFiles(source));
  if (isParts(source)) return parts(source, around);
  throw new OrielError("option", "the source is not one that load understands: address, hf: name, File, Blob, bytes");
}

/** `hf:owner/name[/path]` or `hf:owner/name:quantisation` */
function hubName(source: string, { hub, revision, token }: Surroundings): Wanted {
  const [owner, name = "", ...path] = source.slice("hf:".length).split("/");
  const [repository = "", quant, ...more] = name.split(":");
  const usual = /^(?!\.+$)[\w.-]+$/;
  const faulty = !owner || !usual.test(owner) || !usual.test(repository) || path.includes("..");
  if (faulty || more.length > 0 || (quant !== undefined && (!usual.test(quant) || path.length > 0))) {
    const expected = "hf:owner/name, hf:owner/name:quantisation or hf:owner/name/file";
    throw new OrielError("option", `${source} is not a name on the hub; expected ${expected}`);
  }
  const secret = token === undefined ? {} : { token };
  const where = { hub: hub.replace(/\/+$/, ""), repository: `${owner}/${repository}`, revision, ...secret };
  const found = { kind: "hub", ...where } as const;
  if (quant !== undefined) return { ...found, quant };
  const rest = path.join("/");
  if (rest === "") return found;
  if (!/\.(gguf|safetensors)$/i.test(rest)) {
    throw new OrielError("option", `${source}: expected a .gguf or .safetensors file, found ${rest}`);
  }
  refuseSplit(rest);
  return { ...found, path: rest };
}

/** One of several files that are one GGUF together. */
export const SPLIT_GGUF = /-\d{5}-of-\d{5}\.gguf$/i;

function refuseSplit(name: string): void {
  if (!SPLIT_GGUF.test(name)) return;
  const advice = "take a repository's whole file, or join the parts by llama.cpp's gguf-split --merge";
  throw new OrielError("unsupported", `${name} is a part of a GGUF that is split in several files; ${advice}`);
}

/** A file or folder on a server; what has an unknown ending is taken for a single file, and its bytes will tell. */
function address(url: string): Wanted {
  const file = lastName(url);
  // What a page has made an address for (blob:, data:) stands alone.
  if (!/^(https?|file):/i.test(url)) {
    return { kind: "files", side: [], weights: [{ name: file || "model", place: { url } }] };
  }
  const base = new URL(".", url).href;
  const shard = /-\d{5}-of-\d{5}\.safetensors$/i.test(file);
  if (file === "" || file === INDEX || file === "config.json" || shard) return { kind: "folder", base };
  if (/\.safetensors$/i.test(file)) return { kind: "folder", base, weights: url };
  refuseSplit(file);
  return { kind: "files", side: [], weights: [{ name: file, place: { url } }] };
}

/** Files that someone has chosen or dropped: one GGUF, or a checkpoint's files by their names. */
function chosenFiles(files: readonly File[]): Wanted {
  const place = (file: File): NamedPlace => ({ name: file.name, place: { blob: file }, size: file.size });
  const gguf = files.filter((file) => /\.gguf$/i.test(file.name));
  if (gguf[0]) refuseSplit(gguf[0].name);
  if (gguf.length > 1) {
    throw new OrielError(
      "option",
      `${gguf.length} GGUF files were given; a model in several GGUF files is not supported`,
    );
  }
  if (gguf[0]) return { kind: "files", side: [], weights: [place(gguf[0])] };
  const weights = files.filter((file) => /\.safetensors$/i.test(file.name));
  if (weights.length === 0) {
    if (files.length === 1 && files[0]) return { kind: "files", side: [], weights: [place(files[0])] };
    throw new OrielError("not-found", `no .gguf and no .safetensors among the files: ${list(files)}`);
  }
  const side = files.filter((file) => file.name in SIDE_FILES || file.name === INDEX);
  for (const [name, needed] of Object.entries(SIDE_FILES)) {
    if (needed && !side.some((file) => file.name === name)) {
      throw new OrielError("not-found", `${name} is missing beside the weights; the files are: ${list(files)}`);
    }
  }
  const byName = (a: File, b: File) => (a.name < b.name ? -1 : 1);
  return { kind: "files", side: side.map(place), weights: [...weights].sort(byName).map(place) };
}

function list(files: readonly File[]): string {
  const names = files.slice(0, 12).map((file) => file.name);
  return names.join(", ") + (files.length > names.length ? ` and ${files.length - names.length} more` : "");
}

async function handleFiles(handle: FileSystemHandle): Promise<File[]> {
  if (handle.kind === "file") return [await (handle as FileSystemFileHandle).getFile()];
  const files: Promise<File>[] = [];
  for await (const entry of (handle as FileSystemDirectoryHandle).values()) {
    if (entry.kind === "file") files.push((entry as FileSystemFileHandle).getFile());
  }
  return Promise.all(files);
}

function parts(given: ModelParts, around: Surroundings): Wanted {
  const { weights, ...side } = given;
  const files: NamedPlace[] = [];
  for (const [key, value] of Object.entries(side)) {
    if (!Object.hasOwn(PART_NAMES, key)) {
      const known = [...Object.keys(PART_NAMES), "weights"].join(", ");
      throw new OrielError("option", `${key} is not a part of a model; supported: ${known}`);
    }
    if (value === undefined) continue;
    const name = PART_NAMES[key as keyof typeof PART_NAMES];
    files.push({ ...named(name, value as Part, around), name });
  }
  if (weights.length === 0) throw new OrielError("option", "weights: expected at least one file");
  return { kind: "files", side: files, weights: weights.map((part) => named("model.safetensors", part, around)) };
}

/** A part by the name that it brings, or by the one given. */
function named(name: string, part: Part, around: Surroundings): NamedPlace {
  if (part instanceof ArrayBuffer) return named(name, new Blob([part]), around);
  if (part instanceof Blob) {
    return { name: part instanceof File ? part.name : name, place: { blob: part }, size: part.size };
  }
  const url = absolute(part, around);
  return { name: lastName(url) || name, place: { url } };
}

/** An address as messages and records show it: without query and credentials, which may be secrets. */
export function shown(url: string): string {
  if (!/^https?:/i.test(url)) return url.slice(0, 80);
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** The file's name in an address. */
export function lastName(url: string): string {
  const { pathname } = new URL(url);
  const name = pathname.slice(pathname.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(name);
  } catch {
    // A percent sign that escapes nothing stands for itself.
    return name;
  }
}

function absolute(part: string | URL, { base }: Surroundings): string {
  try {
    return new URL(part, base).href;
  } catch {
    throw new OrielError("option", `${JSON.stringify(String(part))} is not an address`);
  }
}

function isHandle(source: object): source is FileSystemHandle {
  return typeof FileSystemHandle !== "undefined" && source instanceof FileSystemHandle;
}

function isParts(source: unknown): source is ModelParts {
  if (typeof source !== "object" || source === null) return false;
  return "config" in source && "tokenizer" in source && "weights" in source && Array.isArray(source.weights);
}
