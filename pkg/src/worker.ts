// The worker: WebAssembly starts here, and requests from the page go to it.

import start, { Loading } from "./wasm/oriel.js";
import type { Engine } from "./engine.js";
import { OrielError } from "./errors.js";
import { Host } from "./host.js";
import type { Reply, Request } from "./protocol.js";
import { askForSubgroups } from "./subgroups.js";
import { keepTuning, keptTuning } from "./tunings.js";

/** What of a worker's scope is used; the types of pages and workers can't be had at once. */
interface WorkerScope {
  postMessage(message: Reply): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;

async function startEngine(): Promise<Engine> {
  askForSubgroups();
  const { memory } = await start({ module_or_path: new URL("./wasm/oriel_bg.wasm", import.meta.url) });
  let adapterName: string | undefined;
  return {
    async open(options) {
      if (options.device !== "cpu") adapterName = nameOf(await adapter());
      const kept = options.tuning === "auto" && options.device !== "cpu" ? await keptTuning(adapterName) : undefined;
      return Loading.open({ ...options, adapter: adapterName, kept });
    },
    keep: (tuning) => keepTuning(adapterName, tuning),
    adapterName: () => adapterName,
    memoryBytes: () => memory.buffer.byteLength,
  };
}

/** What of WebGPU is used here; everything else is the core's. */
interface Adapter {
  info?: { description: string; vendor: string; architecture: string };
}
interface Gpu {
  requestAdapter(options: { powerPreference: "high-performance" }): Promise<Adapter | null>;
}

/** A browser can offer WebGPU and still have no graphics card for it. */
async function adapter(): Promise<Adapter> {
  const { gpu } = navigator as { gpu?: Gpu };
  const found = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (found) return found;
  const reason = "the browser offers WebGPU, but no graphics adapter for it: hardware acceleration may be off";
  throw new OrielError("no-webgpu", reason);
}

/** As much of the adapter's name as the browser tells: often no more than the vendor and the family. */
function nameOf({ info }: Adapter): string | undefined {
  return info?.description || [info?.vendor, info?.architecture].filter(Boolean).join(" ") || undefined;
}

const host = new Host(startEngine, (reply) => scope.postMessage(reply));
scope.onmessage = ({ data }) => host.receive(data);
