// After the first visit the page opens without a network, answers from a file, and can be installed.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { ask, complaints, settings, start, state } from "./browser.mjs";
import { modelFile } from "./server.mjs";

const { server, open } = await start(after, { device: "cpu" });
const page = await open("", { viewport: { width: 1280, height: 800 } });
const heard = complaints(page);

/** A PNG's sides, from its head. */
const sides = (bytes) => [bytes.readUInt32BE(16), bytes.readUInt32BE(20)].join("x");

test("the page can be installed: a manifest, icons, an address to start at, and a service worker that answers", async () => {
  const at = new URL(await page.getAttribute('link[rel="manifest"]', "href"), server.address);
  const answer = await fetch(at);
  assert.equal(answer.headers.get("content-type"), "application/manifest+json");
  const { name, short_name, start_url, scope, display, icons, background_color, theme_color } = await answer.json();
  assert.ok(name && short_name && background_color && theme_color);
  assert.equal(new URL(start_url, at).href, server.address);
  assert.equal(new URL(scope, at).href, server.address);
  assert.equal(display, "standalone");
  for (const { src, sizes, type } of icons) {
    const icon = await fetch(new URL(src, at));
    assert.equal(icon.headers.get("content-type"), type);
    assert.equal(sides(Buffer.from(await icon.arrayBuffer())), sizes);
  }
  for (const wanted of ["192x192", "512x512"]) assert.ok(icons.some(({ sizes, purpose }) => sizes === wanted && !purpose));
  assert.ok(icons.some(({ purpose }) => purpose === "maskable"));
  const devtools = await page.context().newCDPSession(page);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  // A window without a profile of its own installs nothing; that is the browser's matter.
  assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
});

test("what is kept is every file of the page, of one build, and no model", async () => {
  await page.evaluate(() => navigator.serviceWorker.ready);
  const kept = await page.evaluate(async () => {
    const [name, ...others] = await caches.keys();
    const requests = await (await caches.open(name)).keys();
    return { name, others, paths: requests.map(({ url }) => new URL(url).pathname) };
  });
  assert.match(kept.name, /^oriel-page-[0-9a-f]{16}$/);
  assert.deepEqual(kept.others, []);
  const needed = ["/", "/app.js", "/style.css", "/privacy.js", "/bench.html", "/oriel/index.js", "/oriel/worker.js"];
  for (const path of [...needed, "/oriel/wasm/oriel_bg.wasm"]) assert.ok(kept.paths.includes(path), path);
  assert.deepEqual(kept.paths.filter((path) => path.startsWith("/models")), []);
});

test("without a network the page opens, opens its panels, and answers from a file", async () => {
  server.close();
  await page.reload();
  await state(page, "idle");
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).display), "grid");
  await page.click('details[data-panel="privacy"] summary');
  await page.locator(".verdict").waitFor();
  await page.setInputFiles("#file", modelFile());
  await state(page, "ready");
  await settings(page, { maxTokens: 16 });
  assert.match(await ask(page, "What is the capital of France?"), /Paris/);
});

test("the same service worker has the page isolated, so that threads share memory", async () => {
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  assert.match(await page.textContent('[data-figure="adapter"]'), /^processor, [2-9]\d* threads$/);
});

test("without a network a model that is elsewhere is missed in words", async () => {
  if (await page.locator("#chooser").isHidden()) await page.click("#choose");
  await page.fill("#address", `${server.address}models/other.gguf`);
  await page.click("#load-address");
  await page.locator("#notice:not([hidden])").waitFor();
  assert.match(await page.textContent("#notice-text"), /could not be reached|network|fetch/i);
  assert.deepEqual(heard.filter((text) => !text.includes("ERR_")), []);
});
