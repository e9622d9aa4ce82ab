// Every request of this page since it opened -> notes: to whom, what went out, what came back, and whether it carried what
// was typed. Comes ahead of all other modules, so that what goes out is noted from the first request on.

/** A text shorter than this stands in many an address by chance: it has to be a whole part of one. */
const TELLING = 8;

/**
 * @typedef {import("./oriel/index.js").RequestNote} RequestNote
 * @typedef {RequestNote & { by: "page" | "engine" | "keeper", body?: string, kept?: boolean }} Note
 */

class Requests extends EventTarget {
  /** @type {Note[]} */
  notes = [];
  /** What was typed into the prompt and sent. It stays in this page's memory. */
  #typed = new Set();
  /** What went out to an address, until the browser's list tells that it has ended. */
  #outgoing = [];

  constructor() {
    super();
    this.#watchWhatGoesOut();
    const observer = new PerformanceObserver((list) => list.getEntries().forEach((entry) => this.#ended(entry)));
    for (const type of ["navigation", "resource"]) observer.observe({ type, buffered: true });
    const note = () => this.#typed.add(document.querySelector("#prompt")?.value.trim());
    addEventListener("submit", note, true);
    addEventListener("keydown", ({ key }) => key === "Enter" && note(), true);
  }

  /** A request of the engine's worker, as the package tells it. */
  engine = (note) => this.#add({ ...note, by: "engine" });

  /** A request of the service worker, which keeps the page's files. */
  keeper = (note) => this.#add({ ...note, by: "keeper" });

  /** What was typed or sent so far. */
  get typed() {
    const said = [...document.querySelectorAll('#messages [data-role="user"] .words')];
    return [...new Set([...this.#typed, ...said.map(({ textContent }) => textContent.trim())])].filter(Boolean);
  }

  /** The notes of requests that carried something typed, in the address or in the body. */
  get leaks() {
    const { typed } = this;
    return this.notes.filter(({ url, body }) => typed.some((text) => carries(url, text) || body?.includes(text)));
  }

  #add(note) {
    this.notes.push(note);
    this.dispatchEvent(new Event("change"));
  }

  #ended(entry) {
    if (entry.name.startsWith("http")) this.#listed(entry);
  }

  #listed({ name, entryType, startTime, transferSize, responseStart, responseStatus, workerStart }) {
    const place = this.#outgoing.findIndex(({ url }) => url === name);
    const { method, sent, body } = place < 0 ? { method: "GET", sent: 0 } : this.#outgoing.splice(place, 1)[0];
    const told = entryType === "navigation" || new URL(name).origin === location.origin || responseStart > 0;
    const at = performance.timeOrigin + startTime;
    // What came by way of the service worker has no size of its own.
    const kept = workerStart > 0 && transferSize === 0;
    const [received, status] = [told && !kept ? transferSize : null, responseStatus || null];
    this.#add({ url: name, at, method, sent, received, status, body, kept, by: "page" });
  }

  /** Whatever of the page can send has its bodies counted on the way. */
  #watchWhatGoesOut() {
    const note = (address, method, given) => {
      const url = new URL(address, document.baseURI).href;
      this.#outgoing.push({ url, method, sent: bodyBytes(given), body: bodyText(given) });
    };
    const { fetch, XMLHttpRequest, navigator, WebSocket } = globalThis;
    globalThis.fetch = (input, init) => {
      const asked = input instanceof Request ? input : { url: String(input), method: "GET" };
      note(asked.url, init?.method ?? asked.method, init?.body ?? asked.body);
      return fetch(input, init);
    };
    const { open, send } = XMLHttpRequest.prototype;
    const asked = new WeakMap();
    XMLHttpRequest.prototype.open = function (method, address, ...rest) {
      asked.set(this, [address, method]);
      return open.call(this, method, address, ...rest);
    };
    XMLHttpRequest.prototype.send = function (body) {
      note(...asked.get(this), body);
      return send.call(this, body);
    };
    const beacon = navigator.sendBeacon?.bind(navigator);
    if (beacon) navigator.sendBeacon = (address, body) => (note(address, "POST", body), beacon(address, body));
    // A connection is in no list of the browser's: it is noted as it opens, with what it sends unknown.
    const add = (url, method) =>
      this.#add({ url: String(url), at: Date.now(), method, sent: null, received: null, status: null, by: "page" });
    globalThis.WebSocket = class extends WebSocket {
      constructor(address, ...rest) {
        super(address, ...rest);
        add(this.url, "WebSocket");
      }
    };
  }
}

/** Whether an address has a text in it. */
function carries(url, text) {
  const { pathname, search, searchParams } = new URL(url);
  const readable = (part) => {
    try {
      return decodeURIComponent(part.replaceAll("+", " "));
    } catch {
      return part;
    }
  };
  const whole = [...pathname.split("/").map(readable), ...searchParams.values()];
  return text.length < TELLING ? whole.includes(text) : readable(pathname + search).includes(text);
}

/** What a request's body says, where it is text or a form. */
function bodyText(body) {
  if (body instanceof FormData) return [...body.values()].filter((value) => typeof value === "string").join("\n");
  if (body instanceof URLSearchParams) return [...body.values()].join("\n");
  return typeof body === "string" ? body : undefined;
}

/** Bytes of a request's body; null where that can't be known ahead. */
function bodyBytes(body) {
  if (body === null || body === undefined) return 0;
  if (typeof body === "string" || body instanceof URLSearchParams) return new TextEncoder().encode(String(body)).length;
  if (body instanceof Blob) return body.size;
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? body.byteLength : null;
}

export const requests = new Requests();
