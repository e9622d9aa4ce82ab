// Which kernels an adapter takes: kept by the browser, so that they are measured once.

/** A kind's choices: for shapes that were not measured, and by shape. */
export interface KindTuning {
  usual?: string;
  shapes?: Record<string, string>;
}

/** Which kernels are taken, by kind (`matvec`, `matmul`, ...), and where that was measured. */
export interface Tuning {
  /** The version whose kernels they are. */
  oriel?: string;
  adapter?: string;
  /** Ways that are not tried, by kind: `lost`, as loads ended when they tried them; `wrong`, by what they came to. What is
   * `tried` is tried once more, as one load ended in it. */
  left_out?: Record<string, Record<string, "tried" | "lost" | "wrong">>;
  [kind: string]: string | KindTuning | Record<string, Record<string, string>> | undefined;
}

/** What an adapter and the processor multiply by, in bytes of weights a second. */
export interface Speeds {
  adapter: number;
  processor: number;
}

const STORE = "oriel-tuning";

/** What was measured on an adapter in this browser, if it was kept. */
export function keptTuning(adapter: string | undefined): Promise<Tuning | undefined> {
  return kept(key("oriel-tuning", adapter));
}

/** Keeps it for the next load. */
export function keepTuning(adapter: string | undefined, tuning: Tuning): Promise<void> {
  return keep(key("oriel-tuning", adapter), tuning);
}

/** How a software adapter did against the processor, if it was kept. `circumstances`: what decides the processor's speed. */
export async function keptSpeeds(adapter: string | undefined, circumstances: string): Promise<Speeds | undefined> {
  const speeds = await kept<Speeds>(key("oriel-speeds", `${adapter} ${circumstances}`));
  return Number.isFinite(speeds?.adapter) && Number.isFinite(speeds?.processor) ? speeds : undefined;
}

/** Keeps it for the next load. */
export function keepSpeeds(adapter: string | undefined, circumstances: string, speeds: Speeds): Promise<void> {
  return keep(key("oriel-speeds", `${adapter} ${circumstances}`), speeds);
}

async function kept<T>(place: URL): Promise<T | undefined> {
  try {
    const found = await (await caches.open(STORE)).match(place);
    return (await found?.json()) as T | undefined;
  } catch {
    // Some browsers keep nothing in private windows: it is measured again.
    return undefined;
  }
}

async function keep(place: URL, what: object): Promise<void> {
  try {
    await (await caches.open(STORE)).put(place, new Response(JSON.stringify(what)));
  } catch {
    // As above.
  }
}

/**
 * An address that names adapter and browser, whose compiler counts as well; nothing is ever fetched from it. Caches take no
 * others than of the web, and a page from the disk or of an extension has none.
 */
function key(what: string, adapter = "unnamed"): URL {
  const base = location.origin.startsWith("http") ? location.origin : "https://oriel.invalid";
  return new URL(`/${what}/${encodeURIComponent(`${adapter} ${navigator.userAgent}`)}`, base);
}
