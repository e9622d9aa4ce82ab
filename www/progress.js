// Reports of a load -> a bar with two layers, what has come and what is on the device, and a line for each phase.

import { bytes, seconds } from "./format.js";

/** The weight of the newest rate in the one that is shown. */
const NEWEST = 0.2;

export class ProgressView {
  /** Resolves when the load that is shown has ended, one way or the other. */
  finished = Promise.resolve();

  #root = document.querySelector("#progress");
  #track = this.#root.querySelector("#track");
  #cancel = this.#root.querySelector("#cancel");
  #end = () => {};
  #controller;
  /** Bytes fetched, when, and bytes in a second. */
  #last;

  #next;

  /** `next` has the keyboard's focus once the load has ended, if it was here. */
  constructor(next) {
    this.#next = next;
    this.#cancel.addEventListener("click", () => this.#controller?.abort());
  }

  show(name, controller, what = "Loading ") {
    this.#end();
    this.#controller = controller;
    this.#last = { loaded: 0, at: performance.now(), rate: 0 };
    this.finished = new Promise((end) => (this.#end = end));
    this.#root.querySelector("#progress-title").textContent = what + name;
    this.#track.removeAttribute("aria-valuenow");
    for (const layer of this.#track.children) layer.style.setProperty("--share", 0);
    for (const phase of this.#root.querySelectorAll("[data-phase]")) {
      phase.querySelector(".amount").textContent = "";
      phase.removeAttribute("data-now");
      phase.removeAttribute("data-done");
    }
    this.#root.hidden = false;
    this.#root.scrollIntoView({ block: "nearest" });
  }

  hide() {
    if (this.#root.contains(document.activeElement)) document.querySelector(this.#next).focus();
    this.#root.hidden = true;
    this.#end();
  }

  report({ phase, loaded, total, source }) {
    switch (phase) {
      case "fetch":
        this.#mark("fetch", loaded === total);
        this.#share(".fetched", loaded, total);
        return this.#say("fetch", this.#fetching(loaded, total, source));
      case "upload":
        this.#mark("upload", loaded === total);
        this.#share(".uploaded", loaded, total);
        return this.#say("upload", of(loaded, total));
      case "verify":
        return this.#say("fetch", `${bytes(loaded)}, complete`);
      case "compile":
        this.#mark("compile", loaded === 1);
        return this.#say("compile", loaded === 1 ? "" : "under way");
      case "ready":
        return this.#say("compile", "done");
    }
  }

  #fetching(loaded, total, source) {
    const now = performance.now();
    const last = this.#last;
    const elapsed = now - last.at;
    if (elapsed > 50) {
      const rate = ((loaded - last.loaded) / elapsed) * 1000;
      this.#last = { loaded, at: now, rate: last.rate === 0 ? rate : last.rate + NEWEST * (rate - last.rate) };
    }
    const { rate } = this.#last;
    const left = total !== null && rate > 0 ? `, ${seconds((total - loaded) / rate)} left` : "";
    const pace = source === "network" && rate > 0 && loaded !== total ? `, ${bytes(rate)}/s${left}` : "";
    return of(loaded, total) + pace;
  }

  #share(layer, loaded, total) {
    if (total === null) return;
    this.#track.querySelector(layer).style.setProperty("--share", loaded / total);
    if (layer === ".fetched") this.#track.setAttribute("aria-valuenow", Math.floor((loaded / total) * 100));
  }

  #mark(phase, done) {
    const line = this.#line(phase);
    line.toggleAttribute("data-now", !done);
    line.toggleAttribute("data-done", done);
  }

  #say(phase, text) {
    this.#line(phase).querySelector(".amount").textContent = text;
  }

  #line(phase) {
    return this.#root.querySelector(`[data-phase="${phase}"]`);
  }
}

function of(loaded, total) {
  return total === null ? bytes(loaded) : `${bytes(loaded)} of ${bytes(total)}`;
}
