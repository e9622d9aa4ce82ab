// A conversation -> the list of its messages in view, the newest growing token by token, and told to screen readers
// sentence by sentence.

import { edit } from "./editor.js";
import { copy, iconButton, make } from "./elements.js";
import { rate } from "./format.js";

/** How near to the end counts as reading along, in pixels. */
const NEAR = 80;
/** How long a button says what it has done. */
const SAID_MS = 2000;

export class Conversation {
  #list = document.querySelector("#messages");
  #scroller = document.querySelector("main");
  #announcer;
  #acts;
  /** Each message's element, and the count of its versions in it. */
  #items = new WeakMap();

  /**
   * `acts` are told what the visitor wants of a message: `onAgain(message)` another answer, `onEdit(message, text)` the
   * same with another text, and says whether it can be had now, `onChoose(message)` this version of it.
   */
  constructor(announcer, acts) {
    this.#announcer = announcer;
    this.#acts = acts;
  }

  /** Brings the list in step with the conversation. */
  show(tree) {
    const path = tree.path();
    document.body.toggleAttribute("data-talking", path.length > 0);
    path.forEach((message, place) => {
      const item = this.#items.get(message) ?? this.#make(message);
      const there = this.#list.children[place] ?? null;
      if (there !== item) this.#list.insertBefore(item, there);
      this.#versions(item, tree.siblings(message), message);
    });
    while (this.#list.children.length > path.length) this.#list.lastElementChild.remove();
  }

  /** Shows a conversation from its end. */
  open(tree) {
    this.#announcer.clear();
    this.show(tree);
    this.toEnd();
    reader?.then(() => this.toEnd());
  }

  /** Adds an answer that has yet to begin; it goes when the list is shown anew. */
  waiting(text) {
    const item = make("li", {}, make("div", { className: "afterwards", textContent: text }));
    Object.assign(item.dataset, { role: "assistant", state: "waiting" });
    this.#list.append(item);
    this.toEnd();
  }

  /** Takes up an answer that is in view: what writes it, into its message too, after what that begins with. */
  answer(message) {
    const item = this.#items.get(message);
    const { text: begun, tokens: kept } = message;
    this.#announcer.clear();
    this.toEnd();
    const finish = (state, afterwards) => {
      Object.assign(message, { state, afterwards });
      this.#fill(item, message);
      this.#announcer.end();
    };
    return {
      add: (more) => {
        const along = this.#scroller.scrollHeight - this.#scroller.scrollTop - this.#scroller.clientHeight < NEAR;
        message.text += more;
        message.tokens += 1;
        this.#fill(item, message);
        this.#announcer.add(more);
        if (along) this.toEnd();
      },
      end: (result) => {
        // What a stop string held back, or cut off, is settled now.
        message.text = begun + result.text;
        message.tokens = kept + result.usage.completionTokens;
        finish("done", summary(result, message.tokens));
      },
      fail: () => finish("failed", message.text ? "It did not come further." : "No answer."),
    };
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #make(message) {
    const { role, mode, who, given } = message;
    const item = make("li");
    item.dataset.role = role;
    const words = make("div", { className: "words" });
    const caller = role === "assistant" ? who : mode === "complete" ? "To complete" : "You";
    const foot = make("div", { className: "foot" }, make("div", { className: "acts" }));
    if (role === "assistant") foot.prepend(make("div", { className: "afterwards" }));
    item.append(make("div", { className: "who", textContent: caller }), words, foot);
    foot.lastElementChild.append(...this.#buttons(item, message));
    if (given) words.append(make("span", { className: "given", textContent: given }));
    // The plain words stand until what reads Markdown is there, and always in a text that goes on.
    item.plain = document.createTextNode("");
    words.append(item.plain);
    if (role === "assistant" && mode === "chat") item.draw = markdown(words);
    this.#items.set(message, item);
    this.#fill(item, message);
    return item;
  }

  #fill(item, message) {
    const { text, given = "", state, tokens, afterwards } = message;
    item.plain.data = text;
    item.text = given + text;
    item.draw?.(text);
    if (state === undefined) return;
    item.dataset.state = state;
    if (tokens) item.dataset.tokens = tokens;
    item.querySelector(".afterwards").textContent = afterwards;
  }

  #buttons(item, message) {
    const editing = () => edit(item, message, (text) => this.#acts.onEdit(message, text));
    if (message.role === "user") return [iconButton("edit", "Edit the question", editing)];
    const copying = async (button) => {
      button.title = (await copy(item.text)) ? "Copied" : "The browser does not let this page copy";
      this.#announcer.say(button.title);
      button.dataset.said = button.title;
      setTimeout(() => delete button.dataset.said, SAID_MS);
    };
    return [
      iconButton("copy", "Copy the answer", copying),
      iconButton("again", "Answer anew", () => this.#acts.onAgain(message)),
      iconButton("edit", "Edit the answer", editing),
    ];
  }

  /** Shows which of how many versions of a message is in view, if there are several. */
  #versions(item, siblings, message) {
    const group = item.querySelector(".versions");
    if (siblings.length < 2) return group?.remove();
    const place = siblings.indexOf(message);
    const shown = `${place + 1}/${siblings.length}`;
    if (group?.dataset.shown === shown) return;
    const step = (icon, label, other) => {
      const button = iconButton(icon, label, () => {
        this.#acts.onChoose(other);
        // The keyboard stays where it was: on the version that is in view now, at its end the other way.
        const next = this.#items.get(other).querySelector(".versions");
        (next.querySelector(`[data-act="${icon}"]:enabled`) ?? next.querySelector("button:enabled")).focus();
      });
      button.disabled = !other;
      return button;
    };
    const count = make("span", { textContent: shown, ariaLabel: `Version ${place + 1} of ${siblings.length}`, role: "img" });
    const versions = make("div", { className: "versions" });
    versions.dataset.shown = shown;
    versions.append(
      step("previous", "Version before", siblings[place - 1]),
      count,
      step("next", "Next version", siblings[place + 1]),
    );
    if (group) group.replaceWith(versions);
    else item.querySelector(".acts").append(versions);
  }
}

/** What reads Markdown, once a first answer has asked for it. */
let reader;

/** What shows a growing text in an element as Markdown, leaving its plain words in place until that can be done. */
function markdown(words) {
  let newest = "";
  let render;
  const draw = () => {
    if (!words.classList.contains("markdown")) words.replaceChildren();
    words.classList.add("markdown");
    render(words, newest);
  };
  reader ??= import("./markdown.js").catch((error) => console.warn(`answers stay plain: ${error}`));
  void reader.then((module) => {
    render = module?.render;
    if (newest && render) draw();
  });
  return (text) => {
    newest = text;
    if (render) draw();
  };
}

function summary({ timings, finishReason }, count) {
  const reasons = { stop: "", length: "ended by the limit or a full context", abort: "stopped" };
  const tokens = count === 1 ? "1 token" : `${count} tokens`;
  const pace = timings.decodeTokensPerSecond > 0 ? `${rate(timings.decodeTokensPerSecond)} tok/s` : "";
  return [tokens, pace, reasons[finishReason]].filter(Boolean).join(" · ");
}
