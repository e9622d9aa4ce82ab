// Oriel, as anyone would use it.

import { load } from "oriel";

export async function open({ model: source, context, precision, device, threads }) {
  const model = await load(source, { context, precision, device, threads });
  const { adapter, wasmBytes, processorBytes } = model.info;
  return {
    adapter,
    memory_bytes: wasmBytes + processorBytes,
    async complete(text, tokens, onToken) {
      const run = model.generate(text, { maxTokens: tokens, ignoreEos: true });
      for await (const _ of run) onToken();
      return (await run.result).usage.promptTokens;
    },
    close: () => model.dispose(),
  };
}
