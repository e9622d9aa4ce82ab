// A worker's text -> a worker.

/** For errors. */
export const NEEDS = "the page's policy must allow it: worker-src blob:, script-src 'wasm-unsafe-eval'";

/** Its address has to stand until the script is read, which it is once the worker says something. */
export function workerOf(text: string, name: string): Worker {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(url, { name });
  const read = () => URL.revokeObjectURL(url);
  worker.addEventListener("message", read, { once: true });
  worker.addEventListener("error", read, { once: true });
  return worker;
}
