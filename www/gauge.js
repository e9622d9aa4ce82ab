// The model in use and the tokens as they come -> whatever shows them live, from when it is first looked at.

/** How many of the likeliest tokens are asked for in each place, where someone looks. */
const ALTERNATIVES = 5;

class Gauge extends EventTarget {
  /** The model in use, or none. */
  model;
  /** When each of the newest answer's tokens came, in the page's milliseconds. */
  times = [];
  /**
   * The newest answer in view, `{ asked, prompt, options, from, chunks }`: the question's message, what the model was
   * given, how many chunks were another answer's, and all chunks.
   */
  answer;
  /** Whether someone looks at how likely tokens are: answers begun from then on tell it. */
  likelihoods = false;

  /** Another model, or none any more. */
  set(model) {
    this.model = model;
    this.dispatchEvent(new Event("model"));
    this.forget();
  }

  /** An answer begins, or goes on from what it is given of another. Returns the options to ask it by. */
  begin({ asked, prompt, chunks = [] }, given) {
    const options = this.likelihoods ? { ...given, topLogprobs: ALTERNATIVES } : given;
    this.times = [];
    this.answer = { asked, prompt, options, from: chunks.length, chunks: [...chunks] };
    this.dispatchEvent(new Event("answer"));
    return options;
  }

  /** The answer is in view no more. */
  forget() {
    this.answer = undefined;
    this.dispatchEvent(new Event("answer"));
  }

  /** Has the page answer anew from a token on: `{ asked, prompt, chunks, text, tokens }`, `tokens` with the prompt's. */
  branch(detail) {
    this.dispatchEvent(new CustomEvent("branch", { detail }));
  }

  token(now, chunk) {
    this.times.push(now);
    this.answer?.chunks.push(chunk);
    this.dispatchEvent(new Event("token"));
  }
}

export const gauge = new Gauge();
