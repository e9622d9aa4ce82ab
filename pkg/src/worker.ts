// The worker: WebAssembly starts here, and requests from the page go to it.

import start, { Loading } from "./wasm/oriel.js";
import type { Engine } from "./engine.js";
import { OrielError } from "./errors.js";
import { Host } from "./host.js";
import type { Reply, Request } from "./protocol.js";

/** What of a worker's scope is used; the types of pages and workers can't be had at once. */
interface WorkerScope {
  postMessage(message: Reply): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;

async function startEngine(): Promise<Engine> {
  const { memory } = await start({ module_or_path: new URL("./wasm/oriel_bg.wasm", import.meta.url) });
  return {
    async open(options) {
      if (options.device !== "cpu") await requireAdapter();
      return Loading.open(options);
    },
    memoryBytes: () => memory.buffer.byteLength,
  };
}

/** A browser can offer WebGPU and still have no graphics card for it. */
async function requireAdapter(): Promise<void> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<object | null> } }).gpu;
  if (await gpu?.requestAdapter()) return;
  const reason = "the browser offers WebGPU, but no graphics adapter for it: hardware acceleration may be off";
  throw new OrielError("no-webgpu", reason);
}

const host = new Host(startEngine, (reply) => scope.postMessage(reply));
scope.onmessage = ({ data }) => host.receive(data);
