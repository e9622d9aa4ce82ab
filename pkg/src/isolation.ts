// A page from a host where headers can't be set -> the same page, isolated, so that the processor's threads can share
// memory. Copied to where the page's own files are served, and named by a plain `<script src="isolation.js"></script>`
// ahead of others, it installs itself as a service worker, which adds the headers, and loads the page once more.
//
// A site has one service worker for its pages: one that has its own adds the two headers there instead.

export {};

const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** What is isolated by its own headers; all else only has to come from the page's origin, or say that it may be used. */
const ISOLATED = new Set(["document", "iframe", "worker", "sharedworker"]);

/** Remembers that the page was loaded anew for this, so that it happens once. */
const TRIED = "oriel-isolation";

/** What of a service worker's scope is used; the types of pages and workers can't be had at once. */
interface ServiceScope {
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
  addEventListener(kind: "install" | "activate", listener: (event: Lasting) => void): void;
  addEventListener(kind: "fetch", listener: (event: Fetching) => void): void;
}
interface Lasting {
  waitUntil(done: Promise<unknown>): void;
}
interface Fetching {
  request: Request;
  respondWith(response: Promise<Response>): void;
}

if (typeof document === "undefined") serve(globalThis as unknown as ServiceScope);
else void isolate(document.currentScript as HTMLScriptElement);

function serve(scope: ServiceScope): void {
  scope.addEventListener("install", (event) => event.waitUntil(scope.skipWaiting()));
  scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));
  scope.addEventListener("fetch", (event) => {
    const { destination, url } = event.request;
    const isOurs = new URL(url).origin === location.origin;
    if (isOurs && ISOLATED.has(destination)) event.respondWith(withHeaders(event.request));
  });
}

async function withHeaders(request: Request): Promise<Response> {
  const response = await fetch(request);
  // A redirect that the browser is to follow by itself can't be looked into.
  if (response.type === "opaqueredirect") return response;
  const { body, status, statusText } = response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(body, { status, statusText, headers });
}

/** Without service workers, or where they don't help, the page stays as it is: with one thread. */
async function isolate(script: HTMLScriptElement): Promise<void> {
  if (crossOriginIsolated) return sessionStorage.removeItem(TRIED);
  if (!("serviceWorker" in navigator) || sessionStorage.getItem(TRIED)) return;
  try {
    const { scope } = await navigator.serviceWorker.register(script.src);
    if (!location.href.startsWith(scope)) throw new Error(`${script.src} serves ${scope} only, and this page is outside`);
    await navigator.serviceWorker.ready;
  } catch (error) {
    return console.warn(`no cross-origin isolation, and so one thread: ${error}`);
  }
  sessionStorage.setItem(TRIED, "1");
  location.reload();
}
