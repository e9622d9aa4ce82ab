// What was measured is kept by adapter and browser; a browser that keeps nothing is no error.

import assert from "node:assert/strict";
import test from "node:test";
import { sources } from "./sources.mjs";

const { keepSpeeds, keepTuning, keptSpeeds, keptTuning } = await sources(["tunings"]);

globalThis.location = { origin: "https://page.example" };
Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Browser/1 (a b)" } });

/** What of the Cache API is used. */
function cacheStorage() {
  const kept = new Map();
  const cache = {
    match: async (key) => kept.get(String(key))?.clone(),
    put: async (key, response) => void kept.set(String(key), response),
  };
  return { kept, open: async () => cache };
}

test("a tuning is kept by adapter and browser", async () => {
  const { kept } = (globalThis.caches = cacheStorage());
  const tuning = { oriel: "0.1.0", matvec: { usual: "8" } };
  assert.equal(await keptTuning("card / one"), undefined);
  await keepTuning("card / one", tuning);
  assert.deepEqual(await keptTuning("card / one"), tuning);
  assert.equal(await keptTuning("card / two"), undefined);
  assert.equal(await keptTuning(undefined), undefined);
  const [key] = kept.keys();
  assert.equal(
    key,
    `https://page.example/oriel-tuning/${encodeURIComponent(`card / one Browser/1 (a b)`)}`,
  );
});

test("a browser that keeps nothing, or something broken, is measured again", async () => {
  globalThis.caches = {
    open: async () => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
  };
  await keepTuning("card", {});
  assert.equal(await keptTuning("card"), undefined);
  globalThis.caches = { open: async () => ({ match: async () => new Response("{") }) };
  assert.equal(await keptTuning("card"), undefined);
});

test("pages without an address of the web keep it too, in a cache of their own", async () => {
  const { origin } = globalThis.location;
  for (const other of ["null", "chrome-extension://abc"]) {
    globalThis.location.origin = other;
    const { kept } = (globalThis.caches = cacheStorage());
    await keepTuning("card", { matvec: { usual: "8" } });
    assert.deepEqual(await keptTuning("card"), { matvec: { usual: "8" } });
    assert.match([...kept.keys()][0], /^https:\/\/oriel\.invalid\/oriel-tuning\//);
  }
  globalThis.location.origin = origin;
});

test("speeds are kept by adapter and circumstances, and what is no speed is not believed", async () => {
  const { kept } = (globalThis.caches = cacheStorage());
  const speeds = { adapter: 3e9, processor: 12e9 };
  await keepSpeeds("SwiftShader", "0.1.0 2 auto", speeds);
  assert.deepEqual(await keptSpeeds("SwiftShader", "0.1.0 2 auto"), speeds);
  assert.equal(await keptSpeeds("SwiftShader", "0.1.0 1 auto"), undefined);
  assert.equal(await keptTuning("SwiftShader"), undefined, "they are no tuning");
  const [key] = kept.keys();
  kept.set(key, new Response('{"adapter":"fast"}'));
  assert.equal(await keptSpeeds("SwiftShader", "0.1.0 2 auto"), undefined);
});
