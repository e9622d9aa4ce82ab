// How a load goes on -> the events that transformers.js has for it, about the model as one file.

import type { Progress, Source } from "../index.js";

/** An event of a load. */
export type ProgressInfo =
  | { status: "initiate" | "download" | "done"; name: string; file: string }
  /** `progress` goes to 100; 0, as `total`, where the server does not tell how much there is. */
  | { status: "progress"; name: string; file: string; progress: number; loaded: number; total: number }
  | {
      status: "progress_total";
      name: string;
      progress: number;
      loaded: number;
      total: number;
      files: Record<string, { loaded: number; total: number }>;
    }
  | { status: "ready"; task: "text-generation"; model: string };

/** What `load` is to tell: bytes are told once, as they are fetched. */
export function onProgress(source: Source, tell: (info: ProgressInfo) => void): (progress: Progress) => void {
  const name = nameOf(source);
  const file = name.slice(name.lastIndexOf("/") + 1);
  let begun = false;
  return ({ phase, loaded, total }) => {
    if (!begun) {
      begun = true;
      tell({ status: "initiate", name, file });
      tell({ status: "download", name, file });
    }
    if (phase === "fetch") {
      const bytes = { loaded, total: total ?? 0 };
      const progress = total ? (100 * loaded) / total : 0;
      tell({ status: "progress", name, file, progress, ...bytes });
      tell({ status: "progress_total", name, progress, ...bytes, files: { [file]: bytes } });
    }
    if (phase === "compile" && loaded === 0) tell({ status: "done", name, file });
    if (phase === "ready") tell({ status: "ready", task: "text-generation", model: name });
  };
}

function nameOf(source: Source): string {
  if (typeof source === "string" || source instanceof URL) return String(source);
  return "name" in source && typeof source.name === "string" ? source.name : "model";
}
