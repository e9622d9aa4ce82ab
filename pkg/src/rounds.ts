// Many that want what one at a time can have -> turns, one after another.

/** How long a turn lasts at least while others wait, and at most. */
const LEAST_MS = 250;
const MOST_MS = 2000;
/** A turn lasts so many times as long as its first step, in which the cache changes hands. */
const FIRST_STEPS = 8;

/**
 * Turns in the order in which they were asked for; who gives one back and still wants goes to the end. So each of `k` that
 * want has its next turn after at most `k - 1` others, and all have the same share of the time, whatever their steps take:
 * counted in tokens, one with long prompts would slow down all others.
 */
export class Rounds {
  #taken = false;
  #waiting: (() => void)[] = [];
  #since = 0;
  #firstMs: number | undefined;

  /** Whether it has come to the caller's turn: false where `leave` was aborted before. */
  async take(leave?: AbortSignal): Promise<boolean> {
    if (leave?.aborted) return false;
    if (this.#taken) {
      const came = await new Promise<boolean>((done) => {
        const go = () => (leave?.removeEventListener("abort", goAway), done(true));
        const goAway = () => {
          this.#waiting = this.#waiting.filter((other) => other !== go);
          done(false);
        };
        leave?.addEventListener("abort", goAway, { once: true });
        this.#waiting.push(go);
      });
      if (!came) return false;
    }
    this.#taken = true;
    this.#since = performance.now();
    this.#firstMs = undefined;
    return true;
  }

  /** The caller's turn is over. */
  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken = false;
  }

  /** After a step: whether it is time for another's turn. What a change costs stays below an eighth of what it is for. */
  isOver(): boolean {
    const ms = performance.now() - this.#since;
    this.#firstMs ??= ms;
    return this.#waiting.length > 0 && ms >= Math.min(Math.max(LEAST_MS, FIRST_STEPS * this.#firstMs), MOST_MS);
  }
}
