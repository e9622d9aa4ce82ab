// The package's own files beside its code: its workers and its WebAssembly. Bundlers know these very expressions and bring
// the files along; `oriel/inline`, which has no files beside it, takes `inline/` in this module's place.

import type { Instructions } from "./machine.js";

/** A module of WebAssembly. */
export interface ModuleFile {
  /** What an error calls it. */
  name: string;
  open(): Promise<Response>;
}

/** What workers need, for errors. */
export const NEEDS =
  "worker.js, thread.js and wasm/ must be served beside index.js, from the page's own origin, and its policy must allow it";

export function startWorker(): Worker {
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "oriel" });
}

export function startThread(): Worker {
  return new Worker(new URL("./thread.js", import.meta.url), { type: "module", name: "oriel-thread" });
}

/** The core. */
export function coreFile(): ModuleFile {
  return served(new URL("./wasm/oriel_bg.wasm", import.meta.url));
}

/** The processor's, without threads or with them. */
export function processorFile(instructions: Instructions, threads: boolean): ModuleFile {
  const [alone, shared] = {
    simd: [
      new URL("./wasm/oriel_cpu_simd.wasm", import.meta.url),
      new URL("./wasm/oriel_cpu_simd_threads.wasm", import.meta.url),
    ] as const,
    relaxed: [
      new URL("./wasm/oriel_cpu_relaxed.wasm", import.meta.url),
      new URL("./wasm/oriel_cpu_relaxed_threads.wasm", import.meta.url),
    ] as const,
  }[instructions];
  return served(threads ? shared : alone);
}

const served = (url: URL): ModuleFile => ({ name: url.href, open: () => fetch(url) });
