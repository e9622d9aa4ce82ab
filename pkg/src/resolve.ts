// What is wanted -> the files of the model: those beside the weights, and the weights. Asks a hub what it has.

import { OrielError } from "./errors.js";
import { ask, readWhole } from "./bytes.js";
import { INDEX, SIDE_FILES, lastName, type NamedPlace, type Wanted } from "./source.js";

/** A file that need not be there. */
export interface SideFile extends NamedPlace {
  needed: boolean;
}

/** The files of a model. */
export interface Listing {
  side: SideFile[];
  /** The weight files by the names that the core calls for, once it has seen the side files. */
  weights: (names: readonly string[]) => NamedPlace[];
}

/**
 * Finds out what belongs to the model.
 * @throws OrielError `not-found`, `network`, or `unsupported` for a repository with nothing that Oriel reads.
 */
export async function resolve(wanted: Wanted, signal: AbortSignal): Promise<Listing> {
  switch (wanted.kind) {
    case "files": {
      const side = wanted.side.map((file) => ({ ...file, needed: true }));
      return { side, weights: (names) => ordered(wanted.weights, names) };
    }
    case "folder":
      return folder(wanted.base, wanted.weights);
    case "hub":
      return hub(wanted, signal);
  }
}

/** Weights in the order that the core calls for; what has no name of its own is taken as it stands. */
function ordered(weights: readonly NamedPlace[], names: readonly string[]): NamedPlace[] {
  if (names.length < 2) return [...weights];
  return names.map((name, place) => {
    const found = weights.find((file) => file.name === name) ?? (weights.length === names.length && weights[place]);
    if (!found) throw new OrielError("not-found", `${INDEX} calls for ${name}, which is not among the files`);
    return { ...found, name };
  });
}

/** The usual names below an address; without the index there is one weight file. */
function folder(base: string, weights?: string): Listing {
  const at = (name: string): NamedPlace => ({ name, place: { url: new URL(name, base).href } });
  const side = Object.entries(SIDE_FILES).map(([name, needed]) => ({ ...at(name), needed }));
  if (weights !== undefined) return { side, weights: () => [{ name: lastName(weights), place: { url: weights } }] };
  return { side: [...side, { ...at(INDEX), needed: false }], weights: (names) => names.map(at) };
}

/** A file of a repository's listing. */
interface HubFile {
  path: string;
  size: number;
}

async function hub(wanted: Extract<Wanted, { kind: "hub" }>, signal: AbortSignal): Promise<Listing> {
  const { path } = wanted;
  const address = (file: string) => {
    const escaped = file.split("/").map(encodeURIComponent).join("/");
    return `${wanted.hub}/${wanted.repository}/resolve/${encodeURIComponent(wanted.revision)}/${escaped}`;
  };
  const at = ({ path, size }: HubFile): NamedPlace => ({
    name: path.slice(path.lastIndexOf("/") + 1),
    place: { url: address(path) },
    size,
  });
  // A GGUF file has everything in it: no need to know what stands beside it.
  if (path !== undefined && /\.gguf$/i.test(path)) {
    return {
      side: [],
      weights: () => [{ name: path.slice(path.lastIndexOf("/") + 1), place: { url: address(path) } }],
    };
  }
  const below = path?.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
  const files = await list(wanted, below, signal);
  if (path === undefined) {
    const gguf = bestGguf(wanted.repository, files);
    if (gguf) return { side: [], weights: () => [at(gguf)] };
  }
  const find = (name: string) => files.find((file) => file.path === below + name);
  const missing = (name: string): never => {
    throw new OrielError("not-found", `${wanted.repository} has no ${below}${name}; ${holds(files)}`);
  };
  const side = [...Object.entries(SIDE_FILES), [INDEX, false] as const].flatMap(([name, needed]) => {
    const file = find(name);
    if (!file && needed) return missing(name);
    // A weight file that is named needs no index, unless it is one of several.
    const whole = path !== undefined && !/-\d{5}-of-\d{5}\./.test(path);
    return file && !(whole && name === INDEX) ? [{ ...at(file), needed }] : [];
  });
  const weights = (names: readonly string[]) => {
    if (path !== undefined && names.length < 2) names = [path.slice(below.length)];
    return names.map((name) => at(find(name) ?? missing(name)));
  };
  return { side, weights };
}

/** The files of a repository's folder. */
async function list(wanted: Extract<Wanted, { kind: "hub" }>, below: string, signal: AbortSignal): Promise<HubFile[]> {
  const { hub, repository, revision } = wanted;
  const inside = below === "" ? "" : `/${below.split("/").filter(Boolean).map(encodeURIComponent).join("/")}`;
  const url = `${hub}/api/models/${repository}/tree/${encodeURIComponent(revision)}${inside}`;
  const opened = await ask({ name: `the list of ${repository}`, place: { url } }, signal).catch((error: unknown) => {
    if (!(error instanceof OrielError) || error.code !== "not-found") throw error;
    const where = revision === "main" ? hub : `${hub} at revision ${revision}`;
    throw new OrielError("not-found", `${repository} is not on ${where}, or it is private`);
  });
  const text = new TextDecoder().decode(await readWhole(opened, signal));
  try {
    const entries = JSON.parse(text) as { type: string; path: string; size: number }[];
    return entries.filter((entry) => entry.type === "file").map(({ path, size }) => ({ path, size }));
  } catch (cause) {
    throw new OrielError("network", `${hub} answered with something else than a list of files`, { cause });
  }
}

/** Quantisations from the most useful on; the ones that are missing here Oriel does not read. */
const GGUF_ORDER = [
  ...["Q4_K_M", "Q4_K_S", "Q4_K", "Q4_1", "Q4_0", "Q5_K_M", "Q5_K_S", "Q5_K", "Q6_K", "Q8_0"],
  ...["F16", "FP16", "BF16", "F32", "FP32"],
];

/** The GGUF file of a repository that a visitor is best served by; undefined if there is none at all. */
function bestGguf(repository: string, files: readonly HubFile[]): HubFile | undefined {
  const gguf = files.filter(({ path }) => /\.gguf$/i.test(path) && !/mmproj/i.test(path));
  if (gguf.length === 0) return undefined;
  const whole = gguf.filter(({ path }) => !/-\d{5}-of-\d{5}\.gguf$/i.test(path));
  const rank = ({ path }: HubFile) => {
    const words = path.toUpperCase().split(/[.\-/]/);
    return GGUF_ORDER.findIndex((name) => words.includes(name));
  };
  const known = whole.filter((file) => rank(file) >= 0).sort((a, b) => rank(a) - rank(b));
  const best = known[0] ?? (whole.length === 1 ? whole[0] : undefined);
  if (best) return best;
  throw new OrielError(
    "unsupported",
    `${repository} has no GGUF file of a kind that is supported (${GGUF_ORDER.join(", ")}, in one file); ${holds(gguf)}`,
  );
}

function holds(files: readonly HubFile[]): string {
  const names = files.slice(0, 12).map(({ path }) => path);
  const more = files.length > names.length ? ` and ${files.length - names.length} more` : "";
  return `it holds: ${names.join(", ") || "nothing"}${more}`;
}
