// Well-known small models -> a list with what each takes. Nothing is asked of any host before a button asks for it.

import { check } from "./oriel/index.js";
import { deviceOptions } from "./device.js";
import { make } from "./elements.js";
import { bytes } from "./format.js";
import { showStored } from "./stored.js";

const HUB_PAGES = "https://huggingface.co";
const APACHE = ["Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"];
const LLAMA = ["Llama 3.2 Community License", "https://www.llama.com/llama3_2/license/"];

/** Name, what it is good for, where it is, bytes to download, licence; each of a type that is supported as it is. */
const MODELS = [
  [
    "SmolLM2 360M Instruct",
    "Chat in English, quick everywhere",
    "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf",
    386e6,
    APACHE,
  ],
  [
    "Qwen2.5 0.5B Instruct",
    "Chat in many languages",
    "Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_0.gguf",
    429e6,
    APACHE,
  ],
  [
    "Qwen2.5 Coder 0.5B Instruct",
    "Short pieces of code",
    "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/qwen2.5-coder-0.5b-instruct-q4_0.gguf",
    429e6,
    APACHE,
  ],
  [
    "Qwen3 0.6B",
    "Thinks before it answers, in many languages",
    "Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf",
    639e6,
    APACHE,
  ],
  [
    "TinyLlama 1.1B Chat",
    "Chat in English",
    "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF/tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf",
    669e6,
    APACHE,
  ],
  [
    "Llama 3.2 1B Instruct",
    "Chat and summaries in eight languages",
    "bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf",
    808e6,
    LLAMA,
  ],
  [
    "SmolLM2 1.7B Instruct",
    "Chat and rewriting in English",
    "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF/smollm2-1.7b-instruct-q4_k_m.gguf",
    1.06e9,
    APACHE,
  ],
  [
    "Qwen2.5 1.5B Instruct",
    "Chat in many languages",
    "Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q4_k_m.gguf",
    1.12e9,
    APACHE,
  ],
  [
    "Qwen2.5 Coder 1.5B Instruct",
    "Code in many languages",
    "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    1.12e9,
    APACHE,
  ],
  [
    "Qwen3 1.7B",
    "Thinks before it answers, in many languages",
    "Qwen/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q8_0.gguf",
    1.83e9,
    APACHE,
  ],
];

/** Opens the list; `onChoose` is given `{ source, name }`. */
export function openGallery(onChoose) {
  const dialog = document.querySelector("#gallery");
  const list = dialog.querySelector("#models");
  if (!list.firstElementChild) list.append(...MODELS.map((model) => row(model, dialog, onChoose)));
  void showStored(dialog.querySelector("#stored"), (choice) => {
    dialog.close();
    onChoose(choice);
  });
  dialog.showModal();
}

function row([name, about, path, size, [licence, terms]], dialog, onChoose) {
  const source = `hf:${path}`;
  const link = (text, href) => make("a", { textContent: text, href, target: "_blank", rel: "noopener noreferrer" });
  const page = link("model card", `${HUB_PAGES}/${path.slice(0, path.lastIndexOf("/"))}`);
  const facts = make("p", { className: "hint" }, `${bytes(size)} · `, link(licence, terms), " · ", page);
  const fit = make("p", { className: "fit", role: "status" });
  const checking = make("button", { type: "button", textContent: "Check", ariaLabel: `Check whether ${name} runs here` });
  const loading = make("button", { type: "button", className: "primary", textContent: "Load", ariaLabel: `Load ${name}` });
  checking.addEventListener("click", async () => {
    checking.disabled = true;
    delete fit.dataset.status;
    fit.textContent = "Reading the head of its file…";
    const { status, text } = await fitOf(source);
    fit.textContent = text;
    fit.dataset.status = status;
    checking.disabled = false;
  });
  loading.addEventListener("click", () => {
    dialog.close();
    onChoose({ source, name });
  });
  const words = make("div", {}, make("h3", { textContent: name }), make("p", { textContent: about }), facts, fit);
  return make("li", {}, words, make("div", { className: "gallery-acts" }, checking, loading));
}

/** Whether a model would run here, and what it would take, in words. */
async function fitOf(source) {
  const { device, hub } = deviceOptions();
  try {
    const fit = await check(source, { device, hub });
    if (fit.status === "unavailable") return { status: "no", text: `It can't run here: ${fit.reasons.join("; ")}.` };
    const place = fit.device === "cpu" ? "processor" : "graphics card";
    const fetched = fit.status === "ready" ? "already here" : `${bytes(fit.downloadBytes)} to download`;
    const words = `Runs here on the ${place}: ${fetched}, ${bytes(fit.gpuBytes)} of memory, `;
    const rate = fit.tokensPerSecond ? `, about ${Number(fit.tokensPerSecond.toPrecision(2))} tokens a second` : "";
    return { status: "yes", text: `${words}up to ${fit.maxContext.toLocaleString("en")} tokens of context${rate}.` };
  } catch (error) {
    return { status: "no", text: error.message };
  }
}
