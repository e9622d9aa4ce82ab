// A model's tokenizer by the names that Hugging Face's has. It works in the model's worker: everything is a promise.

import type { Message, Model } from "../index.js";

/** The tokenizer of a pipeline's model. */
export interface PipelineTokenizer {
  /** The tokens of a text, as the model would read it. */
  encode(text: string): Promise<number[]>;
  /** The text of tokens, special ones included. */
  decode(tokens: Iterable<number | bigint>): Promise<string>;
  /** A conversation as the text that the model reads. */
  apply_chat_template(messages: readonly Message[], options?: { add_generation_prompt?: boolean }): Promise<string>;
}

export function tokenizerOf(model: Model): PipelineTokenizer {
  return {
    encode: (text) => model.tokenize(text),
    decode: (tokens) => model.detokenize(Array.from(tokens, Number)),
    async apply_chat_template(messages, { add_generation_prompt: addGenerationPrompt = false, ...rest } = {}) {
      // The model's own check names what it does not know.
      return model.applyTemplate(messages, { addGenerationPrompt, ...rest });
    },
  };
}
