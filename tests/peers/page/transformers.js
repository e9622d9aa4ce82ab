// transformers.js: ONNX Runtime on WebGPU, 4 bits a weight.

import { AutoModelForCausalLM, AutoTokenizer, env } from "@huggingface/transformers";

const runtime = new URL("/peers/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify", location.href).href;

Object.assign(env, { allowLocalModels: true, allowRemoteModels: false, localModelPath: "/" });
Object.assign(env, { useBrowserCache: false, useWasmCache: false });
env.backends.onnx.wasm.wasmPaths = { mjs: `${runtime}.mjs`, wasm: `${runtime}.wasm` };

export async function open() {
  const tokenizer = await AutoTokenizer.from_pretrained("onnx");
  const model = await AutoModelForCausalLM.from_pretrained("onnx", { device: "webgpu", dtype: "q4" });
  return {
    adapter: { name: "WebGPU through ONNX Runtime", driver: "", variants: "q4" },
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
