// transformers.js: ONNX Runtime on WebGPU or on the processor.

import { AutoModelForCausalLM, AutoTokenizer, env } from "@huggingface/transformers";

const onWebGpu = !location.search;
const name = `ort-wasm-simd-threaded${onWebGpu ? ".asyncify" : ""}`;
const runtime = new URL(`/peers/onnxruntime-web/dist/${name}`, location.href).href;

Object.assign(env, { allowLocalModels: true, allowRemoteModels: false, localModelPath: "/" });
Object.assign(env, { useBrowserCache: false, useWasmCache: false });
env.backends.onnx.wasm.wasmPaths = { mjs: `${runtime}.mjs`, wasm: `${runtime}.wasm` };

export async function open({ device, dtype, threads }) {
  if (threads) env.backends.onnx.wasm.numThreads = threads;
  const tokenizer = await AutoTokenizer.from_pretrained("onnx");
  const model = await AutoModelForCausalLM.from_pretrained("onnx", { device, dtype });
  return {
    adapter: {
      name: onWebGpu ? "WebGPU through ONNX Runtime" : `processor, ${threads} threads`,
      driver: "",
      variants: dtype,
    },
    async complete(text, tokens, onToken) {
      const inputs = tokenizer(text, { add_special_tokens: false });
      let begun = false;
      // It is given the prompt first, then each new token.
      const streamer = { put: () => (begun ? onToken() : (begun = true)), end() {} };
      const bounds = { max_new_tokens: tokens, min_new_tokens: tokens, do_sample: false };
      await model.generate({ ...inputs, ...bounds, streamer });
      return inputs.input_ids.dims.at(-1);
    },
    close: () => model.dispose(),
  };
}
