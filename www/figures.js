// What the model is and what a generation took -> the figures beside the conversation.

import { placeOf } from "./device.js";
import { bytes, milliseconds, rate } from "./format.js";
import { gauge } from "./gauge.js";

/** Fewer tokens than this say nothing about speed yet. */
const ENOUGH = 2;

export class Figures {
  #root = document.querySelector("#figures");
  #meter = document.querySelector("#context-meter");
  #context = 0;
  /** When the first and the newest token of this generation came, and how many since the first. */
  #live;

  /** What is known once a model is loaded. */
  model(model) {
    const { info } = model;
    const { adapter, context, gpuBytes, wasmBytes } = info;
    this.#context = context;
    this.#set("adapter", adapter.name);
    this.#set("place", placeOf(info));
    this.#set("gpu-bytes", bytes(gpuBytes));
    this.#set("wasm-bytes", bytes(wasmBytes));
    this.#root.querySelector('[data-figure="wasm-bytes"]').dataset.bytes = wasmBytes;
    this.#use(0);
    gauge.set(model);
  }

  start() {
    this.#live = undefined;
  }

  /** A token has come. */
  live(chunk) {
    const now = performance.now();
    gauge.token(now, chunk);
    this.#live ??= { first: now, since: -1 };
    this.#live.since += 1;
    if (this.#live.since >= ENOUGH) this.#rate("decode", (this.#live.since / (now - this.#live.first)) * 1000);
  }

  /** A generation has ended: the engine's own measure takes the place of the page's. */
  result({ usage, timings }) {
    this.#rate("prefill", timings.prefillTokensPerSecond);
    this.#rate("decode", timings.decodeTokensPerSecond);
    this.#set("first-token", milliseconds(timings.firstTokenMs));
    this.#use(usage.promptTokens + usage.completionTokens);
  }

  clear() {
    for (const figure of this.#root.querySelectorAll("[data-figure]")) figure.textContent = "–";
    this.#meter.value = 0;
    gauge.set(undefined);
  }

  #use(tokens) {
    this.#set("context", `${tokens} of ${this.#context}`);
    this.#meter.value = tokens / this.#context;
  }

  #rate(figure, perSecond) {
    if (!(perSecond > 0)) return;
    const unit = Object.assign(document.createElement("small"), { textContent: "tok/s" });
    this.#root.querySelector(`[data-figure="${figure}"]`).replaceChildren(`${rate(perSecond)} `, unit);
  }

  #set(figure, text) {
    this.#root.querySelector(`[data-figure="${figure}"]`).textContent = text;
  }
}
