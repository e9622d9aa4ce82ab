// The states of a model and of a conversation -> what <oriel-chat> shows, changed in place as they change.

import type { Message } from "../index.js";
import type { ChatState } from "../ui/conversation.js";
import type { LoadState } from "../ui/loader.js";
import { sheet } from "./style.js";

/** What the visitor does. */
export interface Acts {
  send(text: string): void;
  stop(): void;
  retry(): void;
}

/** How near to its end a log still follows what is new, in pixels. */
const NEAR_END = 48;

export class View {
  readonly input = made("textarea", { part: "input", id: "input", rows: "1", autocomplete: "off" });
  readonly #log = made("div", { part: "log", role: "log", tabindex: "0", "aria-label": "Conversation" });
  readonly #status = made("div", { part: "status", role: "status" });
  readonly #saying = made("span");
  readonly #bytes = made("span", { "aria-hidden": "true" });
  readonly #progress = made("progress", { part: "progress", "aria-label": "Loading the model" });
  readonly #error = made("div", { part: "error", role: "alert" });
  readonly #fault = made("span");
  readonly #retry = made("button", { part: "retry", type: "button" }, "Try again");
  readonly #send = made("button", { part: "send", type: "submit" }, "Send");
  readonly #stop = made("button", { part: "stop", type: "button" }, "Stop");
  readonly #root: ShadowRoot;
  #shown: { role: string; words: Text }[] = [];
  #canSend = false;

  constructor(root: ShadowRoot, acts: Acts) {
    this.#root = root;
    root.adoptedStyleSheets = [sheet()];
    const label = made("label", { class: "unseen", for: "input" }, "Message");
    const form = made("form", { part: "form" });
    form.append(label, this.input, this.#send, this.#stop);
    this.#status.append(this.#saying, this.#progress, this.#bytes);
    this.#error.append(this.#fault, this.#retry);
    root.append(this.#log, this.#status, this.#error, form);
    const submit = () => {
      const { value } = this.input;
      // What can't be sent yet stays in the field.
      if (this.#canSend && value.trim()) {
        this.input.value = "";
        acts.send(value);
      }
      this.input.focus();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit();
    });
    this.input.addEventListener("keydown", (event) => {
      // While a word is being composed, Enter is the input method's.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      submit();
    });
    root.addEventListener("keydown", (event) => (event as KeyboardEvent).key === "Escape" && acts.stop());
    this.#stop.addEventListener("click", () => acts.stop());
    this.#retry.addEventListener("click", () => acts.retry());
  }

  show(load: LoadState, chat: ChatState): void {
    const answering = chat.status === "submitted" || chat.status === "streaming";
    this.#canSend = load.status === "ready" && !answering;
    this.#showMessages(chat.messages);
    // Whoever listens hears an answer once it is whole, not word by word.
    this.#log.setAttribute("aria-busy", String(answering));
    this.#showStatus(load, chat);
    const error = load.error ?? chat.error;
    this.#error.hidden = !error;
    set(this.#fault, error?.message ?? "");
    // An answer can't be asked for again before there is a model to give it.
    this.#retry.disabled = load.status !== "error" && load.status !== "ready";
    this.#send.disabled = !this.#canSend;
    const focused = this.#root.activeElement;
    this.#send.hidden = answering;
    this.#stop.hidden = !answering;
    const gone = focused && (focused as HTMLElement).checkVisibility?.() === false;
    if (gone) this.input.focus();
  }

  #showStatus({ status, progress }: LoadState, chat: ChatState): void {
    const [loading, healing] = [status === "loading", status === "healing"];
    // Compiling tells no bytes.
    const { loaded = 0, total = null } = progress?.phase === "compile" ? {} : (progress ?? {});
    const known = loading || healing ? total : null;
    if (known) [this.#progress.max, this.#progress.value] = [known, loaded];
    else this.#progress.removeAttribute("value");
    this.#progress.hidden = !(loading || healing);
    set(this.#bytes, known ? `${megabytes(loaded)} of ${megabytes(known)} MB` : "");
    let says = "";
    if (status === "idle") says = "No model is named yet.";
    if (loading) says = "Loading the model.";
    if (healing) says = "The graphics card was lost; coming back.";
    if (status === "ready" && chat.status === "submitted") says = "Reading.";
    set(this.#saying, says);
    this.#status.hidden = says === "";
  }

  #showMessages(messages: readonly Message[]): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    const follows = scrollHeight - scrollTop - clientHeight < NEAR_END;
    let kept = 0;
    while (kept < this.#shown.length && this.#shown[kept]?.role === messages[kept]?.role) kept += 1;
    for (const { words } of this.#shown.splice(kept)) words.parentElement?.remove();
    messages.forEach(({ role, content }, place) => {
      const { words } = (this.#shown[place] ??= this.#add(role));
      if (content.startsWith(words.data)) words.appendData(content.slice(words.data.length));
      else words.data = content;
    });
    if (follows) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #add(role: string) {
    const message = made("div", { part: `message ${role}` });
    const who = made("span", { class: "unseen" }, role === "user" ? "You: " : "Answer: ");
    const words = document.createTextNode("");
    message.append(who, words);
    this.#log.append(message);
    return { role, words };
  }
}

function made<Name extends keyof HTMLElementTagNameMap>(name: Name, attributes: Record<string, string> = {}, text = "") {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.textContent = text;
  return element;
}

/** A live region tells what is set, even where it is the same. */
function set(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
