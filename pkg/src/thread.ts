// A thread of the processor's team: an instance of the module over the memory that all share, which serves until its
// worker is ended.

import { surroundings, type ModuleExports, type ThreadStart } from "./team.js";

/** How long it sleeps at most before it looks again; there is nobody that it would have to tell. */
const SLEEP_MS = 10_000;

/** What of a worker's scope is used; the types of pages and workers can't be had at once. */
interface ThreadScope {
  postMessage(message: "ready"): void;
  onmessage: ((event: MessageEvent<ThreadStart>) => void) | null;
}

const scope = globalThis as unknown as ThreadScope;

scope.onmessage = ({ data: { module, memory, thread, stack, failed } }) => {
  const { exports } = new WebAssembly.Instance(module, { env: surroundings(memory, SLEEP_MS) });
  const { __stack_pointer, serve } = exports as unknown as ModuleExports;
  __stack_pointer.value = stack;
  scope.postMessage("ready");
  try {
    for (let run = 0; ;) run = serve(thread, run);
  } finally {
    // It ends only by failing: those who wait for it look here.
    Atomics.store(new Int32Array(memory.buffer), failed >>> 2, thread);
  }
};
