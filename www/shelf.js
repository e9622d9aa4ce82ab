// Conversations <-> the browser's database, on this machine only; other pages of this site are told of changes.

import { merge } from "./tree.js";

const STORE = "conversations";

export class Shelf {
  #database;
  #others = new BroadcastChannel("oriel-conversations");

  /** Opens the database; `onChange` is told when another page has changed something. Rejects where nothing can be kept. */
  static async open(onChange) {
    const opening = indexedDB.open("oriel", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
    const shelf = new Shelf();
    shelf.#database = await settled(opening);
    // A page of a later version must not wait for this one.
    shelf.#database.onversionchange = () => shelf.#database.close();
    shelf.#others.onmessage = () => onChange();
    return shelf;
  }

  /** All conversations, the newest first. */
  async all() {
    const records = await settled(this.#store("readonly").getAll());
    return records.sort((a, b) => b.updated - a.updated);
  }

  /** Keeps a conversation. What another page has added to it stays. */
  async put(record) {
    const store = this.#store("readwrite");
    const merged = merge(record, await settled(store.get(record.id)));
    await settled(store.put(merged));
    await written(store.transaction);
    this.#others.postMessage("changed");
  }

  async remove(id) {
    await settled(this.#store("readwrite").delete(id));
    this.#others.postMessage("changed");
  }

  #store(mode) {
    return this.#database.transaction(STORE, mode).objectStore(STORE);
  }
}

/** Whether there is room for a change shows only when it is written. */
function written(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("another page of this site holds the database"));
  });
}
