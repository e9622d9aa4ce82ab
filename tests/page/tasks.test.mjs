// Ways into the page: tasks that people ask small models for, models from the gallery, and files and folders dropped on it.

import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { answer, complaints, picture, send, seriousFaults, settings, start, state } from "./browser.mjs";
import { modelFile } from "./server.mjs";

const REPOSITORY = "Qwen/Qwen2.5-0.5B-Instruct-GGUF";
/** A folder in the place of a repository of the gallery, with the demo model under the name of its file. */
const folder = await mkdtemp(join(tmpdir(), "oriel-gallery-"));
after(() => rm(folder, { recursive: true }));
await copyFile(modelFile(), join(folder, "qwen2.5-0.5b-instruct-q4_0.gguf"));

const { server, open } = await start(after, { device: "cpu", hub: { [REPOSITORY]: folder } });
const page = await open("", { viewport: { width: 1280, height: 800 } });
page.setDefaultTimeout(20_000);
const heard = complaints(page);
await page.goto(`${server.address}?device=cpu&hub=${server.address}hub`);

const looks = ["light", "dark"].flatMap((colorScheme) => [1280, 390].map((width) => ({ colorScheme, width })));

/** Looks at the page by day and by night, wide and narrow: axe's faults, and pictures. */
async function lookAt(name) {
  for (const { colorScheme, width } of looks) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 800 });
    assert.deepEqual(await seriousFaults(page), [], `${name}, ${colorScheme}, ${width}`);
    await picture(page, `${name}-${colorScheme}-${width}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** Drops what is at a path on the page, as a hand would. */
async function drop(path) {
  const devtools = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await devtools.send("Input.dispatchDragEvent", { type, x: 600, y: 500, data });
  }
  await devtools.detach();
}

const said = () => page.locator('#messages li[data-role="user"] .words').last().innerText();
const done = () => page.locator('#messages li:last-child[data-state="done"]').waitFor();

test("the page as it opens", () => lookAt("welcome"));

test("the gallery asks for nothing until it is told to, then says whether a model fits", async () => {
  const before = server.requests.length;
  await page.click("#browse");
  const row = page.locator("#gallery li", { hasText: "Qwen2.5 0.5B Instruct" });
  await row.waitFor();
  const asked = server.requests.slice(before).filter((path) => !/^\/(gallery|stored)\.js$/.test(path));
  assert.deepEqual(asked, []);
  await row.getByRole("button", { name: /Check/ }).click();
  await row.locator('.fit[data-status="yes"]').waitFor();
  const words = await row.locator(".fit").innerText();
  assert.match(words, /Runs here on the processor: .* MB .*up to [\d,]+ tokens of context, about [\d.]+ tokens a second\.$/);
  const other = page.locator("#gallery li", { hasText: "Llama 3.2 1B" });
  await other.getByRole("button", { name: /Check/ }).click();
  await other.locator('.fit[data-status="no"]').waitFor();
  await lookAt("gallery");
});

test("a model of the gallery is loaded by its name", async () => {
  const row = page.locator("#gallery li", { hasText: "Qwen2.5 0.5B Instruct" });
  await row.getByRole("button", { name: /^Load/ }).click();
  await state(page, "ready");
  assert.equal(await page.innerText("#model-name"), "Qwen2.5 0.5B Instruct");
  assert.ok(server.requests.some((path) => path.startsWith(`/hub/${REPOSITORY}/resolve/main/`)));
});

test("what was fetched is on this machine, loads without another download, and can be deleted", async () => {
  await page.click("#choose");
  await page.click("#browse");
  const stored = page.locator("#stored li", { hasText: "qwen2.5-0.5b-instruct-q4_0.gguf" });
  await stored.waitFor();
  assert.match(await stored.innerText(), /98\.4 MB/);
  assert.match(await page.innerText("#stored > p"), /^98\.4 MB of the .* GB that this page may take\./);
  await lookAt("stored");
  const before = server.sent.reduce((sum, { bytes }) => sum + bytes, 0);
  await stored.getByRole("button", { name: /^Load/ }).click();
  await state(page, "loading");
  await state(page, "ready");
  const more = server.sent.reduce((sum, { bytes }) => sum + bytes, 0) - before;
  assert.ok(more < 10e6, `${more} bytes were sent again`);
  await page.click("#choose");
  await page.click("#browse");
  await stored.getByRole("button", { name: /^Delete/ }).click();
  await page.locator("#stored").waitFor({ state: "hidden" });
  await page.locator("#gallery button:focus", { hasText: "Close" }).waitFor();
  await page.click("#gallery .gallery-head button");
});

test("a task makes a prompt of a text and its fields", async () => {
  await settings(page, { maxTokens: 8 });
  await page.click('[data-task="translate"]');
  await page.fill('#task-fields [name="into"]', "German");
  await send(page, "Good morning.");
  await done();
  const asked = "Translate the following text into German. Answer with the translation alone.\n\nGood morning.";
  assert.equal(await said(), asked);
  assert.ok(await page.isVisible("#task-fields"), "the next text is translated too");
  await page.getByRole("button", { name: "Leave: Translate" }).click();
  await send(page, "Thank you.");
  await done();
  assert.equal(await said(), "Thank you.");
});

test("what a task needs is asked for, and a passage is told once", async () => {
  await page.click("#new-chat");
  await page.selectOption("#task", "passage");
  assert.equal(await page.evaluate(() => document.activeElement.name), "passage");
  await send(page, "Where does she live?");
  assert.equal(await page.locator("#messages li").count(), 0, "there is no passage yet");
  await page.fill('#task-fields [name="passage"]', "Anna lives in Oslo and works as a baker.");
  await lookAt("task");
  await send(page, "Where does she live?");
  await done();
  assert.match(await said(), /Passage:\nAnna lives in Oslo.*\n\nQuestion: Where does she live\?$/);
  assert.match(await answer(page), /Oslo/);
  assert.ok(await page.isHidden("#task-fields"));
});

test("continuing a text is a task as well", async () => {
  await page.click("#new-chat");
  await page.click('[data-task="continue"]');
  assert.ok(await page.isChecked('input[name="mode"][value="complete"]'));
  await send(page, "One, two, three, four,");
  await done();
  assert.match(await answer(page), /^One, two, three, four, five/);
});

test("a file and a folder are taken wherever they are dropped", async () => {
  await drop(modelFile());
  await page.locator("#model-name", { hasText: "SmolLM2-135M-Instruct.Q4_1.gguf" }).waitFor();
  await state(page, "ready");
  await drop(fileURLToPath(new URL("../golden/llama", import.meta.url)));
  await page.locator("#model-name", { hasText: /^llama$/ }).waitFor();
  await state(page, "ready");
  assert.match(await page.textContent("#model-facts"), /^llama · /);
  assert.deepEqual(heard.filter((line) => !line.includes("401")), []);
});
