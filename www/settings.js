// The settings form -> the options that the package takes; what is left empty is left to the package.

export class Settings {
  #form = document.querySelector("#settings");

  /** `onChange` is told when the visitor has changed something. */
  constructor({ onChange }) {
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", onChange);
    // The fields are as they were until the event is over.
    this.#form.addEventListener("reset", () => setTimeout(onChange));
  }

  /** What stands in each field, by name, as a conversation keeps it. */
  get fields() {
    return Object.fromEntries(new FormData(this.#form));
  }

  set fields(fields) {
    for (const { name, defaultValue } of this.#form.querySelectorAll("input, textarea")) {
      this.#form.elements[name].value = fields[name] ?? defaultValue;
    }
  }

  get valid() {
    return this.#form.checkValidity();
  }

  /** Shows which setting is not valid. */
  report() {
    this.#form.reportValidity();
  }

  /** What the model is told before a chat; undefined for nothing. */
  system() {
    return this.#form.elements.system.value.trim() || undefined;
  }

  /** The sampling options; the package checks them once more. */
  sampling() {
    const numbers = [...this.#form.querySelectorAll('input[type="number"]')].filter(({ value }) => value !== "");
    const options = Object.fromEntries(numbers.map(({ name, valueAsNumber }) => [name, valueAsNumber]));
    const stop = this.#form.elements.stop.value.split("\n").filter(Boolean);
    return stop.length ? { ...options, stop } : options;
  }
}
