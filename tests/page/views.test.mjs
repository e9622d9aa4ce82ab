// The pictures that the README has. They go into docs/ only when asked, as their figures differ from run to run.

import assert from "node:assert/strict";
import { copyFile, stat } from "node:fs/promises";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { ask, complaints, loadModel, picture, settings, start, state } from "./browser.mjs";

const PICTURE_BYTES = 150_000;
const root = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const updating = Boolean(process.env.ORIEL_UPDATE);

const { server, open } = await start(after, { device: "", hub: { "tiny/llama": root("tests/golden/llama") } });
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, reducedMotion: "reduce" };

async function keep(page, name) {
  await picture(page, name);
  const [from, to] = [root(`target/page/${name}.png`), root(`docs/${name}.png`)];
  const { size } = await stat(from);
  assert.ok(size < PICTURE_BYTES, `${size} bytes`);
  if (updating) await copyFile(from, to);
  await stat(to);
}

/** A page on the processor, or on the GPU. */
async function visit(device, options) {
  const page = await open("", options);
  await page.goto(`${server.address}?device=${device}`);
  return { page, heard: complaints(page) };
}

/** Opens the panel with this name and has its title at the top. */
async function openPanel(page, name) {
  const panel = page.locator(`details[data-panel="${name}"]`);
  await panel.locator("summary").first().click();
  await panel.locator(".panel-body > :nth-child(2)").waitFor({ state: "attached" });
  return panel;
}

const toTop = (panel) =>
  panel.evaluate((details) => {
    const side = details.closest("aside");
    side.scrollTop += details.getBoundingClientRect().top - side.getBoundingClientRect().top - 8;
  });

test("the page in the middle of a conversation", async () => {
  const { page, heard } = await visit("cpu", { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  await page.click("#load-demo");
  await state(page, "ready");
  await settings(page, { maxTokens: 80 });
  for (const question of ["Why is the sky blue?", "Three tips for a good night's sleep"]) {
    await ask(page, question);
    await page.click("#new-chat");
  }
  await ask(page, "What is the capital of France?");
  await ask(page, "Write a Python function that reverses a string.");
  await page.locator(".words.markdown .code pre").waitFor();
  await page.locator("#kept li").nth(2).waitFor();
  await page.evaluate(() => (document.querySelector("#panel").scrollTop = 0));
  await page.mouse.move(600, 300);
  await keep(page, "page");
  assert.deepEqual(heard, []);
  await page.close();
});

test("a phone: an answer, and how likely each of its tokens was", async () => {
  const { page, heard } = await visit("cpu", phone);
  await page.click("#load-demo");
  await state(page, "ready");
  await page.click("#panel-toggle");
  await settings(page, { maxTokens: 100 });
  const panel = await openPanel(page, "tokens");
  await page.click("#panel-close");
  await ask(page, "Name three fruits, as a list.");
  await page.locator(".words.markdown").waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.mouse.move(200, 600);
  await keep(page, "phone");
  await page.click("#panel-toggle");
  await toTop(panel);
  const unsure = panel.locator(".tokens :is(.p-2, .p-3, .p-4)").nth(1);
  await unsure.click();
  assert.equal(await panel.locator(".alternatives li").count(), 5);
  await keep(page, "tokens");
  assert.deepEqual(heard, []);
  await page.close();
});

/** What the README shows is a model that people use; the timeline of a small one is there much sooner. */
const timed = updating ? "models/demo.gguf" : "hub/tiny/llama/resolve/main/";

test("a phone by night: the kernels of a pass", async () => {
  const { page, heard } = await visit("webgpu", { ...phone, colorScheme: "dark" });
  await loadModel(page, `${server.address}${timed}`);
  await page.click("#panel-toggle");
  const panel = await openPanel(page, "kernels");
  await panel.getByRole("button", { name: "Time the kernels" }).click();
  await panel.locator(".lanes rect").first().waitFor();
  await toTop(panel);
  await keep(page, "kernels");
  assert.deepEqual(heard, []);
  await page.close();
});
