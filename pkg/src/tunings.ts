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
  [kind: string]: string | KindTuning | undefined;
}

const STORE = "oriel-tuning";

/** What was measured on an adapter in this browser, if it was kept. */
export async function keptTuning(adapter: string | undefined): Promise<Tuning | undefined> {
  const place = key(adapter);
  try {
    const found = await (await caches.open(STORE)).match(place);
    return (await found?.json()) as Tuning | undefined;
  } catch {
    // Some browsers keep nothing in private windows: it is measured again.
    return undefined;
  }
}

/** Keeps it for the next load. */
export async function keepTuning(adapter: string | undefined, tuning: Tuning): Promise<void> {
  const place = key(adapter);
  try {
    await (await caches.open(STORE)).put(place, new Response(JSON.stringify(tuning)));
  } catch {
    // As above.
  }
}

/**
 * An address that names adapter and browser, whose compiler counts as well; nothing is ever fetched from it. Caches take no
 * others than of the web, and a page from the disk or of an extension has none.
 */
function key(adapter = "unnamed"): URL {
  const base = location.origin.startsWith("http") ? location.origin : "https://oriel.invalid";
  return new URL(`/oriel-tuning/${encodeURIComponent(`${adapter} ${navigator.userAgent}`)}`, base);
}
