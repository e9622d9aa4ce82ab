// `oriel/inline`, the worker's part of `files.ts`: the thread's text and the modules, deflated, which the build puts here.

import type { ModuleFile } from "../files.js";
import type { Instructions } from "../machine.js";
import core from "deflated:oriel_bg.wasm";
import relaxed from "deflated:oriel_cpu_relaxed.wasm";
import relaxedThreads from "deflated:oriel_cpu_relaxed_threads.wasm";
import simd from "deflated:oriel_cpu_simd.wasm";
import simdThreads from "deflated:oriel_cpu_simd_threads.wasm";
import thread from "text:thread";
import { workerOf } from "./worker-of.js";

export { NEEDS } from "./worker-of.js";

export function startThread(): Worker {
  return workerOf(thread, "oriel-thread");
}

export function coreFile(): ModuleFile {
  return held("oriel_bg.wasm", core);
}

export function processorFile(instructions: Instructions, threads: boolean): ModuleFile {
  const modules = { simd: { alone: simd, shared: simdThreads }, relaxed: { alone: relaxed, shared: relaxedThreads } };
  return held(`oriel_cpu_${instructions}`, modules[instructions][threads ? "shared" : "alone"]);
}

/** `deflated`: the file by raw DEFLATE, in base64. */
function held(name: string, deflated: string): ModuleFile {
  const open = async () => {
    const packed = Uint8Array.from(atob(deflated), (letter) => letter.charCodeAt(0));
    const whole = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Response(whole, { headers: { "content-type": "application/wasm" } });
  };
  return { name, open };
}
