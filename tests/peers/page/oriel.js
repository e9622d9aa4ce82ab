// Oriel, as anyone would use it.

import { load } from "oriel";

export async function open({ model: source, context, precision }) {
  const model = await load(source, { context, precision });
  return {
    adapter: model.info.adapter,
    async complete(text, tokens, onToken) {
      const run = model.generate(text, { maxTokens: tokens, ignoreEos: true });
      for await (const _ of run) onToken();
      return (await run.result).usage.promptTokens;
    },
    close: () => model.dispose(),
  };
}
