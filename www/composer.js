// The prompt box: Enter sends, Shift+Enter breaks the line, Escape stops; chat, a task of it, or completion.

import { Tasks } from "./tasks.js";

export class Composer {
  #form = document.querySelector("#composer");
  #prompt = document.querySelector("#prompt");
  #send = document.querySelector("#send");
  #stop = document.querySelector("#stop");
  #onSend;
  #busy = false;
  /** The mode that the visitor chose; it stands whichever model comes, where the model can do it. */
  #chosen = "chat";
  #waiting = false;
  /** What was typed for the prompt that was sent last. */
  #typed = "";
  #tasks = new Tasks({ onChoose: (task) => this.#take(task) });

  constructor({ onSend, onStop }) {
    this.#onSend = onSend;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#prompt.addEventListener("keydown", (event) => {
      // An input method's Enter ends its composition and sends nothing.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#prompt.addEventListener("input", () => this.#adjust());
    this.#stop.addEventListener("click", () => onStop());
    addEventListener("keydown", ({ key, isComposing }) => {
      // A list of models that lies over all is what Escape closes.
      if (key === "Escape" && this.#busy && !isComposing && !document.querySelector("dialog[open]")) onStop();
    });
    for (const example of this.#form.querySelectorAll("#examples button")) {
      example.addEventListener("click", () => {
        this.#prompt.value = example.textContent;
        this.#tasks.leave();
        this.#submit();
        this.focus();
      });
    }
    for (const radio of this.#form.elements.mode) {
      radio.addEventListener("change", () => {
        this.#chosen = this.mode;
        if (this.mode === "complete") this.#tasks.leave();
        this.#describe();
      });
    }
    this.#describe();
    this.#adjust();
  }

  /** `chat` or `complete` */
  get mode() {
    return this.#form.elements.mode.value;
  }

  /** Whether the model can chat; one without a chat template can only complete. */
  set chat(possible) {
    const [chat, complete] = this.#form.elements.mode;
    chat.disabled = !possible;
    chat.parentElement.title = possible ? "" : "This model brings no chat template";
    (possible && this.#chosen === "chat" ? chat : complete).checked = true;
    this.#tasks.chat = possible;
    this.#describe();
  }

  /** Whether an answer is coming: Stop stands in Send's place. */
  set answering(answering) {
    const focused = [this.#send, this.#stop].includes(document.activeElement);
    this.#busy = answering;
    this.#send.hidden = answering;
    this.#stop.hidden = !answering;
    if (focused) this.#prompt.focus();
    this.#adjust();
  }

  /** Whether a prompt waits for its model: the next can be typed, but not sent. */
  set waiting(waiting) {
    this.#waiting = waiting;
    this.#adjust();
  }

  get waiting() {
    return this.#waiting;
  }

  /** Puts what was sent last, and not answered, back into the box, unless another text has been typed since. */
  giveBack() {
    this.#prompt.value ||= this.#typed;
    this.focus();
  }

  focus() {
    this.#adjust();
    this.#prompt.focus();
  }

  #submit() {
    const text = this.#prompt.value;
    if (this.#busy || this.#waiting || !text.trim() || !this.#form.reportValidity()) return;
    this.#typed = text;
    this.#prompt.value = "";
    this.#adjust();
    this.#onSend(this.#tasks.prompt(text));
  }

  /** A task was chosen or left: the box is for its text. */
  #take(task) {
    if (task) this.#form.elements.mode.value = this.#chosen = task.mode;
    this.#describe();
    this.#prompt.focus();
  }

  /** Brings the box in step with what stands in it. */
  #adjust() {
    if (!CSS.supports("field-sizing", "content")) {
      this.#prompt.style.height = "auto";
      this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
    }
    this.#send.disabled = this.#waiting || !this.#prompt.value.trim();
  }

  #describe() {
    const usual = this.mode === "chat" ? "Ask something" : "Begin a text, and it goes on";
    this.#prompt.placeholder = this.#tasks.placeholder ?? usual;
  }
}
