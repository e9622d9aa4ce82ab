// What was said -> the list of messages, growing token by token, and told to screen readers sentence by sentence.

import { Announcer } from "./announcer.js";
import { rate } from "./format.js";

/** How near to the end counts as reading along, in pixels. */
const NEAR = 80;

export class Conversation {
  #list = document.querySelector("#messages");
  #scroller = document.querySelector("main");
  #announcer;
  /** Counts the conversations of this page. */
  talk = 0;

  constructor(announcer) {
    this.#announcer = announcer;
  }

  /** Adds what the visitor said. In a completion, the answer will begin with it. */
  user(text, mode) {
    document.body.toggleAttribute("data-talking", true);
    const item = this.#add("user", mode === "complete" ? "To complete" : "You");
    item.querySelector(".words").textContent = text;
    this.#announcer.clear();
    this.#toEnd();
  }

  /** Adds an answer that has yet to begin. */
  waiting(text) {
    const item = this.#add("assistant", "");
    item.dataset.state = "waiting";
    item.querySelector(".afterwards").textContent = text;
    this.#toEnd();
  }

  /** Adds a remark of the page's own; there is none where nothing was said. */
  note(text) {
    if (!this.#list.firstElementChild) return;
    const item = Object.assign(document.createElement("li"), { textContent: text });
    item.dataset.role = "note";
    this.#list.append(item);
  }

  /** The answer of `who` to the last message, led by `given` if it continues a text. */
  answer(who, given) {
    this.#list.querySelector('[data-state="waiting"]')?.remove();
    const item = this.#add("assistant", who);
    item.dataset.state = "streaming";
    const words = item.querySelector(".words");
    const lead = Object.assign(document.createElement("span"), { className: "given", textContent: given });
    const text = document.createTextNode("");
    words.append(...(given ? [lead] : []), text);
    // A chat's answer is Markdown, once what reads it is there; a text that goes on is shown as it is.
    const show = given ? undefined : markdown(words);
    item.text = given;
    this.#toEnd();
    const finish = (state, afterwards) => {
      item.dataset.state = state;
      item.querySelector(".afterwards").textContent = afterwards;
      this.#announcer.end();
    };
    return {
      add: (more) => {
        const along = this.#scroller.scrollHeight - this.#scroller.scrollTop - this.#scroller.clientHeight < NEAR;
        text.appendData(more);
        item.text += more;
        show?.(text.data);
        item.dataset.tokens = Number(item.dataset.tokens ?? 0) + 1;
        this.#announcer.add(more);
        if (along) this.#toEnd();
      },
      end: (result) => {
        // What a stop string held back, or cut off, is settled now.
        text.data = result.text;
        item.text = given + result.text;
        show?.(text.data);
        item.dataset.tokens = result.usage.completionTokens;
        finish("done", summary(result));
      },
      fail: () => finish("failed", text.data ? "It did not come further." : "No answer."),
    };
  }

  /** Takes back a message that found no model; returns its text. */
  takeBack(text) {
    this.#list.querySelector('[data-state="waiting"]')?.remove();
    if (this.#list.lastElementChild?.dataset.role === "user") this.#list.lastElementChild.remove();
    if (!this.#list.firstElementChild) this.clear();
    return text;
  }

  clear() {
    this.talk += 1;
    this.#list.replaceChildren();
    this.#announcer.clear();
    document.body.toggleAttribute("data-talking", false);
  }

  #add(role, who) {
    const item = document.createElement("li");
    item.dataset.role = role;
    const part = (className, textContent) => Object.assign(document.createElement("div"), { className, textContent });
    item.append(part("who", who), part("words", ""));
    if (role === "assistant") item.append(part("afterwards", ""));
    this.#list.append(item);
    return item;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

/** What shows a growing text in an element as Markdown, leaving its plain words in place until that can be done. */
function markdown(words) {
  let newest = "";
  let render;
  const draw = () => {
    if (!words.classList.contains("markdown")) words.replaceChildren();
    words.classList.add("markdown");
    render(words, newest);
  };
  import("./markdown.js").then(
    (module) => {
      render = module.render;
      if (newest) draw();
    },
    (error) => console.warn(`answers stay plain: ${error}`),
  );
  return (text) => {
    newest = text;
    if (render) draw();
  };
}

function summary({ usage, timings, finishReason }) {
  const reasons = { stop: "", length: "ended by the limit or a full context", abort: "stopped" };
  const tokens = usage.completionTokens === 1 ? "1 token" : `${usage.completionTokens} tokens`;
  const pace = timings.decodeTokensPerSecond > 0 ? `${rate(timings.decodeTokensPerSecond)} tok/s` : "";
  return [tokens, pace, reasons[finishReason]].filter(Boolean).join(" · ");
}
