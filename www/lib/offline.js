// The page's service worker: the page's own files are kept, all of one build, so that the page opens without a network; and
// its documents and workers get the headers that threads need, where the host does not send them. build.mjs puts in the
// names of the files and what tells one build from another. It sees to the page's own files only: models are the package's.

/* global FILES, BUILD */

const PREFIX = "oriel-page-";
const CACHE = PREFIX + BUILD;
const KEPT = new Set(FILES);

/** As `oriel/isolation.js` does: a page has one service worker, so this one does it too. */
const HEADERS = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const ISOLATED = new Set(["document", "iframe", "worker", "sharedworker"]);

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(begin()));
addEventListener("fetch", (event) => {
  const { url, method, destination } = event.request;
  const name = nameOf(url);
  if (method === "GET" && name !== undefined && (KEPT.has(name) || ISOLATED.has(destination))) {
    event.respondWith(answer(event.request, name));
  }
});

/** All of a build or nothing: half of one would not run. The pages that are open hear what was asked for. */
async function keep() {
  const notes = [{ ...noteOf(location.href), received: null, status: null }];
  const answers = FILES.map(async (name) => {
    const request = new Request(name, { cache: "no-cache" });
    const note = noteOf(request.url);
    notes.push(note);
    const response = await fetch(request);
    const length = response.headers.get("content-length");
    Object.assign(note, { received: length === null ? null : Number(length), status: response.status });
    if (!response.ok) throw new Error(`${name} answered with ${response.status}`);
    return [request, response];
  });
  try {
    const cache = await caches.open(CACHE);
    for (const [request, response] of await Promise.all(answers)) await cache.put(request, response);
  } finally {
    await Promise.allSettled(answers);
    for (const client of await clients.matchAll({ includeUncontrolled: true })) client.postMessage({ kind: "kept", notes });
  }
  await skipWaiting();
}

/** A request as the page's list of them has it. */
function noteOf(url) {
  return { url, at: Date.now(), method: "GET", sent: 0, received: null, status: null };
}

/** Builds before this one are forgotten. */
async function begin() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim();
}

/** The name that a file of this page goes by; none where an address is not within it. */
function nameOf(url) {
  const { href, origin, pathname } = new URL(url);
  if (origin !== location.origin || !href.startsWith(registration.scope)) return undefined;
  const name = pathname.slice(new URL(registration.scope).pathname.length);
  return name === "" || name === "index.html" ? "./" : name;
}

/** The network's answer, as it is the newest; what is kept where there is none. */
async function answer(request, name) {
  let response;
  try {
    response = await fetch(request);
  } catch (error) {
    response = await kept(name);
    if (!response) throw error;
  }
  if (response.status >= 500) response = (await kept(name)) ?? response;
  return ISOLATED.has(request.destination) ? isolated(response) : response;
}

async function kept(name) {
  return caches.match(name, { cacheName: CACHE });
}

function isolated(response) {
  // A redirect that the browser is to follow by itself can't be looked into.
  if (response.type === "opaqueredirect") return response;
  const { body, status, statusText } = response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(body, { status, statusText, headers });
}
