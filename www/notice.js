// An error -> plain words: what happened, what was said about it, and what can be done.

const WORDS = {
  "no-webgpu": [
    "WebGPU is missing",
    "This page was told to use the graphics card; without ?device=webgpu in its address it takes the processor. Or use a " +
      "current Chrome, Edge, Firefox or Safari, update the system's graphics driver, and see that hardware acceleration " +
      "is switched on in the browser's settings.",
  ],
  device: ["The device refused", "Try a smaller model, or reload the page."],
  "device-lost": ["The graphics card went away", "Load the model again; a driver reset or sleep can cause this."],
  quota: ["Not enough room to store the model", "Delete stored models, or free space on this machine."],
  "out-of-memory": ["Not enough memory", "Try a smaller model or one with fewer bits, and close other pages."],
  "not-found": ["No such model", "See that the address or the name is right and that it can be read by everyone."],
  network: ["The download failed", "See that you are online, then try again."],
  truncated: ["The file is cut off", "Try again; if the file is your own, download it anew."],
  "not-a-model": ["That is not a model", "Take the address of the file itself, ending with .gguf or .safetensors."],
  "file-damaged": ["The file can't be read", "It is damaged or of another type; download it anew or take another."],
  unsupported: ["This kind of model is not supported", "Take another file of the model, or another model."],
  "model-mismatch": ["The model's parts do not fit", "The file is incomplete or was made for something else."],
  template: ["The chat template refused", "Try without a system prompt, or use Complete."],
  "context-full": ["The context is full", "Start a new chat, or shorten the prompt."],
  kept: ["The conversation could not be kept", "Delete what is not needed any more, or make room in the browser."],
  option: ["That can't be done", "Correct it, then try again."],
  engine: ["The engine stopped", "Load the model again; if it goes on, reload the page."],
};

/** Errors after which a model is of no more use. */
export const LOST = new Set(["device-lost", "device", "out-of-memory", "engine"]);

/** The one place where errors are shown. */
export class Notice {
  #root = document.querySelector("#notice");

  /** `next` has the keyboard's focus once the notice is dismissed. */
  constructor(next) {
    this.#part("close").addEventListener("click", () => {
      this.hide();
      document.querySelector(next).focus();
    });
  }

  /** Shows an error of the package; that someone has stopped something is none. */
  show(error) {
    if (error.code === "aborted") return;
    const [title, advice] = WORDS[error.code] ?? ["Something went wrong", ""];
    this.#part("title").textContent = title;
    this.#part("text").textContent = error.message;
    this.#part("advice").textContent = advice;
    this.#root.dataset.code = error.code ?? "unknown";
    this.#root.hidden = false;
    this.#root.scrollIntoView({ block: "nearest" });
  }

  hide() {
    this.#root.hidden = true;
  }

  #part(name) {
    return this.#root.querySelector(`#notice-${name}`);
  }
}
