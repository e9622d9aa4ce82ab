// The model in use and the tokens as they come -> whatever shows them live, from when it is first looked at.

class Gauge extends EventTarget {
  /** The model in use, or none. */
  model;
  /** When each of the newest answer's tokens came, in the page's milliseconds. */
  times = [];

  /** Another model, or none any more. */
  set(model) {
    this.model = model;
    this.dispatchEvent(new Event("model"));
  }

  begin() {
    this.times = [];
  }

  token(now) {
    this.times.push(now);
  }
}

export const gauge = new Gauge();
