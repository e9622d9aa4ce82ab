// The model bar: the demo model, an address or a name, files chosen or dropped -> what is to be loaded.

import { bytes } from "./format.js";

/** Formats with less than this share of a model's bytes are norms and the like. */
const WORTH_SAYING = 0.02;

export class Chooser {
  #root = document.querySelector("#chooser");
  #toggle = document.querySelector("#choose");
  #name = document.querySelector("#model-name");
  #facts = document.querySelector("#model-facts");
  #onChoose;
  #onFault;

  /** `onChoose` is given `{ source, name }`, or nothing for the demo model; `onFault` why a folder can't be read. */
  constructor({ onChoose, onFault }) {
    this.#onChoose = onChoose;
    this.#onFault = onFault;
    this.open = true;
    this.#toggle.addEventListener("click", () => {
      this.open = !this.open;
      this.#root.scrollIntoView({ block: "nearest" });
    });
    this.#listen("#demo-form", "submit", () => onChoose());
    this.#listen("#address-form", "submit", ({ target }) => {
      const source = target.address.value.trim();
      onChoose({ source, name: source.replace(/^hf:/, "").replace(/^.*:\/\/[^/]*\//, "") });
    });
    this.#listen("#file", "change", ({ target }) => {
      this.#files([...target.files]);
      target.value = "";
    });
    this.#acceptDrops(document.querySelector("#drop"));
  }

  get open() {
    return !this.#root.hidden;
  }

  set open(open) {
    // What is hidden can't keep the keyboard's focus.
    if (!open && this.#root.contains(document.activeElement)) document.querySelector("#cancel").focus();
    this.#root.hidden = !open;
    this.#toggle.hidden = open && this.name === undefined;
    this.#toggle.setAttribute("aria-expanded", String(open));
  }

  /** The model that is coming or in; undefined for none. */
  get name() {
    return this.#name.dataset.model;
  }

  set name(name) {
    this.#name.textContent = name ?? "No model yet";
    this.#facts.textContent = "";
    if (name === undefined) delete this.#name.dataset.model;
    else this.#name.dataset.model = name;
    this.open = name === undefined;
  }

  /** The model that is in, with what it is. */
  loaded(name, info) {
    this.name = name;
    const whole = Object.values(info.formats).reduce((sum, bytes) => sum + bytes, 0);
    const sorted = Object.entries(info.formats).sort(([, a], [, b]) => b - a);
    const formats = sorted.flatMap(([format, bytes]) => (bytes > whole * WORTH_SAYING ? [format] : [])).join(" + ");
    this.#facts.textContent = `${info.architecture} · ${info.layers} layers · ${formats} · ${bytes(info.gpuBytes)}`;
  }

  #files(files) {
    if (files.length === 0) return;
    const weights = files.find(({ name }) => /\.(gguf|safetensors)$/i.test(name)) ?? files[0];
    this.#onChoose({ source: files.length === 1 ? files[0] : files, name: weights.name });
  }

  #acceptDrops(veil) {
    const carriesFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      veil.hidden = false;
    });
    addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || (veil.hidden = true));
    addEventListener("drop", async (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      veil.hidden = true;
      const files = [...event.dataTransfer.files];
      const [item] = event.dataTransfer.items;
      // A folder comes as one entry, which has to be opened.
      const entry = files.length === 1 ? item.webkitGetAsEntry() : null;
      if (!entry?.isDirectory) return this.#files(files);
      const within = await filesIn(entry).catch(this.#onFault);
      if (within) this.#onChoose({ source: within, name: entry.name });
    });
  }

  #listen(selector, kind, act) {
    document.querySelector(selector).addEventListener(kind, (event) => {
      event.preventDefault();
      act(event);
    });
  }
}

/** The files of a folder that was dropped, those of folders within it left out. */
async function filesIn(folder) {
  const reader = folder.createReader();
  const entries = [];
  // Each call brings some of them, the last none.
  for (let some; some?.length !== 0; entries.push(...some)) {
    some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  }
  const files = entries.filter((entry) => entry.isFile);
  return Promise.all(files.map((entry) => new Promise((resolve, reject) => entry.file(resolve, reject))));
}
