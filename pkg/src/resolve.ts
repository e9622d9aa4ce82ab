// What is wanted -> the files of the model: those beside the weights, and the weights. Asks a hub what it has.

import { OrielError } from "./errors.js";
import type { Files, SideFile } from "./supply.js";
import { bestGguf, holds, hubPlace, list, type HubFile, type Room } from "./hub.js";
import { INDEX, SIDE_FILES, lastName, type NamedPlace, type Wanted } from "./source.js";

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
export async function resolve(wanted: Wanted, signal: AbortSignal, files: Files, room: Room): Promise<Listing> {
  switch (wanted.kind) {
    case "files": {
      const side = wanted.side.map((file) => ({ ...file, needed: true }));
      return { side, weights: (names) => ordered(wanted.weights, names) };
    }
    case "folder":
      return folder(wanted.base, wanted.weights);
    case "hub":
      return hub(wanted, signal, files, room);
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

type Hub = Extract<Wanted, { kind: "hub" }>;

async function hub(wanted: Hub, signal: AbortSignal, from: Files, room: Room): Promise<Listing> {
  const { path } = wanted;
  const at = ({ path, ...rest }: HubFile): NamedPlace => {
    return { ...rest, name: path.slice(path.lastIndexOf("/") + 1), place: hubPlace(wanted, path) };
  };
  const below = path?.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
  const files = await list(wanted, below, signal, from);
  const find = (name: string) => files.find((file) => file.path === below + name);
  const missing = (name: string): never => {
    throw new OrielError("not-found", `${wanted.repository} has no ${below}${name}; ${holds(files)}`);
  };
  // A GGUF file has everything in it: no need to know what stands beside it.
  if (path !== undefined && /\.gguf$/i.test(path)) {
    const file = find(path.slice(below.length)) ?? missing(path.slice(below.length));
    return { side: [], weights: () => [at(file)] };
  }
  if (path === undefined) {
    const gguf = await bestGguf(wanted, files, room);
    if (gguf) {
      if (gguf.why) from.say(gguf.why);
      return { side: [], weights: () => [at(gguf.file)] };
    }
  }
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
