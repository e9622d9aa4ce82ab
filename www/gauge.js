// The model in use and the tokens as they come -> whatever shows them live, from when it is first looked at.

/** How many of the likeliest tokens are asked for in each place, where someone looks. */
const ALTERNATIVES = 5;

class Gauge extends EventTarget {
  /** The model in use, or none. */
  model;
  /** When each of the newest answer's tokens came, in the page's milliseconds. */
  times = [];
  /** The newest answer: what it was asked by, and its chunks. */
  answer;
  /** Whether someone looks at how likely tokens are: answers begun from then on tell it. */
  likelihoods = false;

  /** Another model, or none any more. */
  set(model) {
    this.model = model;
    this.answer = undefined;
    this.dispatchEvent(new Event("model"));
  }

  /** An answer to `prompt` begins. Returns the options to ask it by. */
  asking(prompt, given) {
    const options = this.likelihoods ? { ...given, topLogprobs: ALTERNATIVES } : given;
    this.times = [];
    this.answer = { prompt, options, chunks: [] };
    this.dispatchEvent(new Event("answer"));
    return options;
  }

  token(now, chunk) {
    this.times.push(now);
    this.answer?.chunks.push(chunk);
    this.dispatchEvent(new Event("token"));
  }
}

export const gauge = new Gauge();
