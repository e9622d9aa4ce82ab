// What the browser keeps of models -> a list with room taken, to load without a download or to delete.

import { storage } from "./oriel/index.js";
import { make } from "./elements.js";
import { bytes } from "./format.js";

/** Fills a section with what is stored; `onLoad` is given `{ source, name }`. */
export async function showStored(section, onLoad) {
  const line = section.querySelector("p");
  // What a browser refuses is said where it was asked for.
  const refused = (error) => (line.textContent = error.message);
  const doing = (act) => async () => {
    try {
      await act();
      await showStored(section, onLoad);
      // The button is gone: the keyboard goes on at the next file, or at the list's own.
      (section.querySelector("li button") ?? section.closest("dialog").querySelector("button")).focus();
    } catch (error) {
      refused(error);
    }
  };
  try {
    const [files, room] = await Promise.all([storage.list(), storage.usage()]);
    section.hidden = files.length === 0;
    section.querySelector("ul").replaceChildren(...files.map((file) => row(file, onLoad, doing)));
    const promise = room.persisted ? "The browser keeps them." : "The browser may delete them when room is short.";
    line.textContent = `${bytes(room.bytes)} of the ${bytes(room.quota)} that this page may take. ${promise} `;
    if (room.persisted) return;
    const ask = make("button", { type: "button", className: "link", textContent: "Ask it to keep them" });
    ask.addEventListener("click", async () => {
      if (await storage.persist()) line.textContent = "The browser keeps them.";
      else ask.replaceWith("It promises nothing now: a bookmark or another visit may change its mind.");
    });
    line.append(ask);
  } catch (error) {
    refused(error);
  }
}

function row({ key, url, exactUrl, bytes: here, totalBytes, whole }, onLoad, doing) {
  const name = nameOf(url);
  const size = whole ? bytes(here) : `${bytes(here)} of ${totalBytes === null ? "more" : bytes(totalBytes)}`;
  const words = make("div", {}, make("h3", { textContent: name }), make("p", { className: "hint", textContent: size }));
  const drop = make("button", { type: "button", textContent: "Delete", ariaLabel: `Delete ${name}` });
  drop.addEventListener("click", doing(() => storage.delete({ key })));
  const acts = make("div", { className: "gallery-acts" }, drop);
  // By a part of its address it would be fetched again.
  if (/\.gguf$/i.test(name) && exactUrl) {
    const ariaLabel = `Load ${name}, stored`;
    const load = make("button", { type: "button", className: "primary", textContent: "Load", ariaLabel });
    load.addEventListener("click", () => onLoad({ source: url, name }));
    acts.append(load);
  }
  return make("li", {}, words, acts);
}

function nameOf(url) {
  const name = url.slice(url.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(name);
  } catch {
    // A percent sign that escapes nothing stands for itself.
    return name;
  }
}
