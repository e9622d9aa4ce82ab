// Tokens with their log-probabilities -> how OpenAI's API tells them, with the bytes of their texts.

import type { Chunk, Model } from "../index.js";
import type { CompletionLogprobs, TokenLogprob, TopLogprob } from "./types.js";

/** Stands in a text for bytes that are no whole character. */
const PARTIAL = "\uFFFD";

type LikelyChunk = Chunk & { logprob?: number; topLogprobs?: { token: number; text: string; logprob: number }[] };

const encoder = new TextEncoder();

/** Tells likely tokens by their own texts: what a chunk's token completes may be more, or nothing yet. */
export class Likely {
  readonly #model: Model;
  readonly #texts = new Map<number, string>();

  constructor(model: Model) {
    this.#model = model;
  }

  /** A chunk's token; nothing where logprobs were not asked for. */
  async of({ token, logprob, topLogprobs = [] }: LikelyChunk): Promise<TokenLogprob[]> {
    if (logprob === undefined) return [];
    for (const { token, text } of topLogprobs) this.#texts.set(token, text);
    const top = topLogprobs.map(({ text, logprob }) => told(text, logprob));
    return [{ ...told(await this.#text(token), logprob), top_logprobs: top }];
  }

  /** What a token adds in the middle of a text: some tokenizers leave out a space at its beginning. */
  async #text(token: number): Promise<string> {
    const known = this.#texts.get(token);
    if (known !== undefined) return known;
    const [once, twice] = await Promise.all([[token], [token, token]].map((some) => this.#model.detokenize(some)));
    const text = (twice as string).slice((once as string).length);
    this.#texts.set(token, text);
    return text;
  }
}

function told(token: string, logprob: number): TopLogprob {
  return { token, logprob, bytes: token.includes(PARTIAL) ? null : Array.from(encoder.encode(token)) };
}

/** The same place by place, as texts are completed; `offset` is where the first token begins. */
export function placed(tokens: TokenLogprob[], offset: number): CompletionLogprobs {
  const starts = tokens.map((_, place) => tokens.slice(0, place).reduce((at, { token }) => at + token.length, offset));
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ token, logprob, top_logprobs }) =>
      Object.fromEntries([...top_logprobs, { token, logprob }].map((one) => [one.token, one.logprob])),
    ),
    text_offset: starts,
  };
}
