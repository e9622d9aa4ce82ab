// The panels beside the conversation: each comes when it is opened, shows what is so, and can be used by anyone.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { ask, complaints, loadModel, settings, start } from "./browser.mjs";

const axe = await readFile(fileURLToPath(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url)), "utf8");
const pictures = fileURLToPath(new URL("../../target/page/", import.meta.url));
await mkdir(pictures, { recursive: true });

const { server, open } = await start(after, { device: "cpu" });
const page = await open("", { viewport: { width: 1280, height: 800 } });
const heard = complaints(page);
const panel = (name) => page.locator(`details[data-panel="${name}"]`);

async function openPanel(name) {
  await panel(name).locator("summary").first().click();
  await panel(name).locator(".panel-body > :nth-child(2)").waitFor({ state: "attached" });
}

test("no panel is fetched before it is opened", async () => {
  assert.ok(server.requests.includes("/panels.js"));
  for (const path of ["/panels.css", "/privacy.js"]) assert.ok(!server.requests.includes(path), path);
});

test("the privacy panel lists every request, the engine's too, and finds no word of what was typed", async () => {
  await loadModel(page, `${server.address}models/demo.gguf`);
  await settings(page, { maxTokens: 24 });
  await ask(page, "What is the capital of France?");
  await openPanel("privacy");
  // The panel's own files are on the list once they are there.
  const listed = () => page.evaluate(async () => (await import("/requests.js")).requests.notes.map(({ url }) => url));
  const paths = (await listed()).map((url) => new URL(url).pathname);
  const asked = new Set(server.requests.filter((path) => path !== "/favicon.ico"));
  assert.deepEqual([...asked].filter((path) => !paths.includes(path)), []);
  const shown = await panel("privacy").locator(".hosts li").allInnerTexts();
  const model = shown.find((text) => text.includes("/models/demo.gguf"));
  assert.match(model, /the model[\s\S]*98\.\d MB/);
  assert.ok(shown.some((text) => /\.wasm/.test(text) && /the engine/.test(text)));
  assert.match(await panel("privacy").locator(".verdict").innerText(), /^No request carried what you typed\. .*the text/);
});

test("the privacy panel finds a request that carries what was typed, in its address or its body", async () => {
  const leak = (path, init) => page.evaluate(([path, init]) => void fetch(path, init).catch(() => 0), [path, init]);
  await leak(`/leak?q=${encodeURIComponent("What is the capital of France?")}`);
  await panel("privacy").locator(".hosts [data-leak]").waitFor();
  await leak("/post", { method: "POST", body: "They said: What is the capital of France?" });
  await page.waitForFunction(() => document.querySelectorAll(".hosts [data-leak]").length === 2);
  assert.match(await panel("privacy").locator(".verdict").innerText(), /^2 requests carried something/);
  assert.match(await panel("privacy").locator(".hosts [data-leak]").first().innerText(), /sent 41 B/);
  heard.splice(0, heard.length, ...heard.filter((text) => !text.includes("404")));
});

test("axe finds no serious fault in the panels, by day and by night, wide and narrow", async () => {
  const looks = ["light", "dark"].flatMap((colorScheme) => [1280, 390].map((width) => ({ colorScheme, width })));
  await page.evaluate(axe);
  for (const { colorScheme, width } of looks) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 800 });
    if (width < 1000) await page.click("#panel-toggle");
    for (const name of await page.locator("details[data-panel]").evaluateAll((all) => all.map((one) => one.dataset.panel))) {
      await panel(name).scrollIntoViewIfNeeded();
      await panel(name).evaluate((details) => details.scrollIntoView());
      await page.screenshot({ path: `${pictures}panel-${name}-${colorScheme}-${width}.png` });
    }
    const faults = await page.evaluate(async () => {
      const { violations } = await axe.run();
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join("; ")}`);
    });
    assert.deepEqual(faults, [], `${colorScheme}, ${width} pixels wide`);
    if (width < 1000) await page.click("#panel-close");
  }
  assert.deepEqual(heard, []);
});
