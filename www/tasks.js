// What people ask small models for -> a prompt that such a model understands, of the visitor's text and a field or two.

import { make } from "./elements.js";

/**
 * `name`, the `mode` it is done in, what stands in the empty box, the fields that it asks for, and the prompt of a text
 * and what the fields hold. `once`: the next prompt is an ordinary one, as the first brought all there is to know.
 */
const TASKS = {
  continue: { name: "Continue a text", mode: "complete" },
  translate: {
    name: "Translate",
    mode: "chat",
    placeholder: "The text to translate",
    fields: [{ name: "into", label: "Into", value: "French" }],
    prompt: (text, { into }) => `Translate the following text into ${into}. Answer with the translation alone.\n\n${text}`,
  },
  passage: {
    name: "Answer from a passage",
    mode: "chat",
    placeholder: "Your question about the passage",
    fields: [{ name: "passage", label: "Passage", long: true }],
    once: true,
    prompt: (text, { passage }) =>
      `Answer the question from the passage alone. If it does not say, say so.\n\nPassage:\n${passage}\n\nQuestion: ${text}`,
  },
  code: {
    name: "Write code",
    mode: "chat",
    placeholder: "What the code is to do",
    fields: [{ name: "language", label: "Language", value: "Python" }],
    prompt: (text, { language }) =>
      `Write ${language} code for the following task, in one code block, then explain it briefly.\n\n${text}`,
  },
  summarise: {
    name: "Summarise",
    mode: "chat",
    placeholder: "The text to summarise",
    fields: [{ name: "length", label: "In", value: "three sentences" }],
    prompt: (text, { length }) => `Summarise the following text in ${length}.\n\n${text}`,
  },
};

export class Tasks {
  #chips = document.querySelector("#tasks");
  #select = document.querySelector("#task");
  #fields = document.querySelector("#task-fields");
  #onChoose;
  /** The task that has fields to fill; undefined for an ordinary prompt. */
  #task;

  /** `onChoose` is given the task that the visitor has chosen, or nothing. */
  constructor({ onChoose }) {
    this.#onChoose = onChoose;
    for (const [id, { name }] of Object.entries(TASKS)) {
      const chip = make("button", { type: "button", textContent: name });
      chip.dataset.task = id;
      chip.addEventListener("click", () => this.#choose(id));
      this.#chips.append(make("li", {}, chip));
      this.#select.append(make("option", { value: id, textContent: name }));
    }
    this.#select.addEventListener("change", () => this.#choose(this.#select.value));
  }

  /** Whether the model can chat; without, a text can only be continued. */
  set chat(possible) {
    const all = [...this.#chips.querySelectorAll("button"), ...this.#select.options];
    for (const each of all) each.disabled = !possible && TASKS[each.dataset.task ?? each.value]?.mode === "chat";
    if (!possible) this.leave();
  }

  get placeholder() {
    return this.#task?.placeholder;
  }

  /** The whole prompt, of what was typed. */
  prompt(text) {
    const task = this.#task;
    if (!task) return text;
    const fields = this.#fields.querySelectorAll("input, textarea");
    const prompt = task.prompt(text, Object.fromEntries([...fields].map(({ name, value }) => [name, value.trim()])));
    if (task.once) this.leave();
    return prompt;
  }

  /** Back to ordinary prompts. */
  leave() {
    this.#task = undefined;
    this.#select.value = "";
    this.#fields.replaceChildren();
    this.#fields.hidden = true;
  }

  #choose(id) {
    this.leave();
    const task = TASKS[id];
    if (task?.fields) {
      this.#task = task;
      this.#select.value = id;
      const ariaLabel = `Leave: ${task.name}`;
      const close = make("button", { type: "button", className: "quiet", textContent: "Leave", ariaLabel });
      close.addEventListener("click", () => this.#choose(""));
      this.#fields.append(make("strong", { textContent: task.name }), ...task.fields.map(fieldOf), close);
      this.#fields.hidden = false;
    }
    this.#onChoose(task);
    // What is missing is asked for first.
    [...this.#fields.querySelectorAll("input, textarea")].find(({ value }) => !value)?.focus();
  }
}

function fieldOf({ name, label, value = "", long = false }) {
  const field = make(long ? "textarea" : "input", { name, value, required: true });
  if (long) field.rows = 4;
  return make("label", { className: long ? "long" : "" }, make("span", { textContent: label }), field);
}
