// What happens on the page -> whole sentences for screen readers: single tokens would make them stutter.

/**
 * Ends of what can be said: a sentence with the space after it (the end of the text so far may be the middle of "3.5"),
 * a sentence of a language that puts no space there, a line.
 */
const ENDS = /[.!?…]["'”’)\]]*(?=\s)|[。！？｡]["'”’」』）]*|\n/g;

export class Announcer {
  #root = document.querySelector("#announcer");
  #rest = "";

  /** More of a text that is still being written. */
  add(text) {
    this.#rest += text;
    let whole = 0;
    for (const { 0: end, index } of this.#rest.matchAll(ENDS)) whole = index + end.length;
    if (whole === 0) return;
    this.say(this.#rest.slice(0, whole));
    this.#rest = this.#rest.slice(whole);
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
