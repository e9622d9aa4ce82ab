// What happens on the page -> whole sentences for screen readers: single tokens would make them stutter.

export class Announcer {
  #root = document.querySelector("#announcer");
  #rest = "";

  /** More of a text that is still being written. */
  add(text) {
    this.#rest += text;
    const whole = /^[\s\S]*[.!?。！？\n](?=\s|$)/.exec(this.#rest);
    // The end of the text so far may be the middle of "3.5".
    if (!whole || whole[0].length === this.#rest.length) return;
    this.say(whole[0]);
    this.#rest = this.#rest.slice(whole[0].length);
  }

  /** The text is complete. */
  end() {
    this.say(this.#rest);
    this.#rest = "";
  }

  clear() {
    this.#rest = "";
    this.#root.replaceChildren();
  }

  /** Something that is complete by itself. */
  say(text) {
    if (!text.trim()) return;
    this.#root.append(Object.assign(document.createElement("p"), { textContent: text.trim() }));
  }
}
