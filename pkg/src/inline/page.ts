// `oriel/inline`, the page's part of `files.ts`: the worker's text, which the build puts here.

import worker from "text:worker";
import { workerOf } from "./worker-of.js";

export { NEEDS } from "./worker-of.js";

export function startWorker(): Worker {
  return workerOf(worker, "oriel");
}
