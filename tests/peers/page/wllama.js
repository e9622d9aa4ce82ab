// wllama: llama.cpp as WebAssembly, on the processor. Its WebGPU backend refuses a rasteriser, so it is not asked.

import { LoggerWithoutDebug, Wllama } from "@wllama/wllama";

const wasm = new URL("/peers/@wllama/wllama/esm/wasm/wllama.wasm", location.href).href;

export async function open({ model: source, context, threads }) {
  const wllama = new Wllama({ default: wasm }, { logger: LoggerWithoutDebug, suppressNativeLog: true });
  const file = await (await fetch(source)).blob();
  await wllama.loadModel([file], { n_ctx: context, n_threads: threads, n_gpu_layers: 0, warmup: false });
  if (wllama.getNumThreads() !== threads) throw new Error(`${wllama.getNumThreads()} threads instead of ${threads}`);
  return {
    adapter: { name: "processor", driver: "", variants: `${threads} thread${threads > 1 ? "s" : ""}` },
    async complete(prompt, tokens, onToken) {
      const options = { prompt, max_tokens: tokens, temperature: 0, ignore_eos: true, cache_prompt: false };
      let read;
      for await (const { choices, usage, timings } of await wllama.createCompletion({ ...options, stream: true })) {
        if (choices[0]?.text) onToken();
        read = usage?.prompt_tokens ?? (timings && timings.cache_n + timings.prompt_n) ?? read;
      }
      return read;
    },
    close: () => wllama.exit(),
  };
}
