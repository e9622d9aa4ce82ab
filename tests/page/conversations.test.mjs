// Conversations as a visitor has them: kept, found again, renamed, exported and deleted; messages answered anew, edited
// and branched.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test, { after } from "node:test";
import { merge } from "../../www/tree.js";
import { answer, ask, complaints, seriousFaults, picture, send, settings, start, state } from "./browser.mjs";

const { open } = await start(after, { device: "cpu" });
const page = await open("", { viewport: { width: 1280, height: 800 } });
page.setDefaultTimeout(20_000);
const heard = complaints(page);

const titles = (on = page) => on.locator("#kept .open > span").allTextContents();
const last = (role) => page.locator(`#messages li[data-role="${role}"]`).last();
const act = (item, name) => item.locator(`[data-act="${name}"]`).click();
const idle = () => state(page, "ready");

/** Chooses in the menu of the conversation with this title. */
async function menu(title, choice) {
  await page.locator("#kept li", { hasText: title }).locator('[data-act="more"]').click();
  await page.click(`#kept-menu [data-act="${choice}"]`);
}

async function exported(title, kind) {
  const coming = page.waitForEvent("download");
  await menu(title, kind);
  const download = await coming;
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
}

test("a conversation is kept with its first answer, and another begins beside it", async () => {
  await page.click("#load-demo");
  await idle();
  await settings(page, { maxTokens: 12, system: "You are a helpful assistant." });
  await ask(page, "What is the capital of France?");
  await page.locator('#kept [aria-current="true"]').waitFor();
  await page.click("#new-chat");
  assert.equal(await page.locator("#messages li").count(), 0);
  await settings(page, { maxTokens: 6, system: "" });
  await ask(page, "Tell me a joke.");
  await page.locator("#kept li").nth(1).waitFor();
  assert.deepEqual(await titles(), ["Tell me a joke.", "What is the capital of France?"]);
});

test("each has its own settings, and goes on where it stood with what the cache holds", async () => {
  await page.click("#kept li:nth-child(2) .open");
  assert.match(await answer(page), /Paris/);
  assert.equal(await page.inputValue('#settings [name="system"]'), "You are a helpful assistant.");
  assert.equal(await page.inputValue('#settings [name="maxTokens"]'), "12");
  assert.match(await ask(page, "Which country is that city the capital of?"), /France/);
  assert.deepEqual((await titles())[0], "What is the capital of France?");
});

test("an answer comes anew beside the one before, and the versions can be looked through", async () => {
  const before = await answer(page);
  await settings(page, { temperature: 1.5, seed: 7 });
  await act(last("assistant"), "again");
  await idle();
  const anew = await answer(page);
  assert.notEqual(anew, before);
  assert.equal(await last("assistant").locator(".versions span").innerText(), "2/2");
  await act(last("assistant"), "previous");
  assert.equal(await answer(page), before);
  assert.equal(await last("assistant").locator(".versions span").innerText(), "1/2");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.act), "next", "the keyboard goes along");
  await settings(page, { temperature: 0, seed: "" });
});

test("a question that is edited begins a branch, and the one before keeps what followed it", async () => {
  const first = page.locator('#messages li[data-role="user"]').first();
  await act(first, "edit");
  await page.fill(".editor textarea", "What is the capital of Japan?");
  await page.keyboard.press("Enter");
  await page.locator('#messages li:last-child[data-state="done"]').waitFor();
  assert.match(await answer(page), /Tokyo/);
  assert.equal(await page.locator("#messages li").count(), 2);
  await act(first, "previous");
  assert.equal(await page.locator("#messages li").count(), 4);
  await act(page.locator('#messages li[data-role="user"]').first(), "next");
  assert.equal(await page.locator("#messages li").count(), 2);
});

test("an answer that is edited is what the model goes on from; Escape gives editing up", async () => {
  await act(last("assistant"), "edit");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".editor").count(), 0);
  await act(last("assistant"), "edit");
  await page.fill(".editor textarea", "The capital of Japan is Berlin.");
  await page.click(".editor .primary");
  assert.equal(await answer(page), "The capital of Japan is Berlin.");
  assert.equal(await last("assistant").locator(".versions span").innerText(), "2/2");
  await settings(page, { maxTokens: 24 });
  assert.match(await ask(page, "Repeat word by word what you said about the capital of Japan."), /Berlin/);
});

test("a reload shows the same conversation, in the same branch, with its settings", async () => {
  const shown = () => page.locator("#messages .words").allInnerTexts();
  const before = await shown();
  await page.reload();
  await page.locator("#messages li").nth(3).waitFor();
  await page.locator(".words.markdown").first().waitFor();
  assert.deepEqual(await shown(), before);
  assert.equal(await page.inputValue('#settings [name="maxTokens"]'), "24");
  const opening = page.waitForEvent("popup");
  await page.evaluate(() => void window.open(location.href));
  const other = await opening;
  await other.locator("#kept li").nth(1).waitFor();
  assert.equal(await other.locator("#messages li").count(), 0, "another page begins with nothing");
  await other.close();
});

test("what was said is found, and a name given stays", async () => {
  await page.fill("#search", "tokyo");
  assert.equal((await titles()).length, 1);
  assert.match(await page.innerText("#kept small"), /Tokyo/);
  await page.fill("#search", "nothing of the kind");
  assert.equal(await page.innerText("#kept-status"), "No conversations");
  await page.fill("#search", "");
  await menu("Tell me a joke.", "rename");
  await page.keyboard.type("Jokes");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#messages li").count(), 4, "naming one does not open it");
  await page.locator("#kept li", { hasText: "Jokes" }).waitFor();
  await page.reload();
  await page.locator("#kept li", { hasText: "Jokes" }).waitFor();
});

test("a conversation is taken away as Markdown, and as JSON with every branch", async () => {
  const markdown = await exported("capital of France", "markdown");
  assert.equal(markdown.name, "What-is-the-capital-of-France.md");
  assert.match(markdown.text, /^# What is the capital of France\?\n[^]*> You are a helpful assistant\./);
  assert.match(markdown.text, /\*\*You\*\*\n\nWhat is the/);
  assert.match(markdown.text, /Berlin/);
  const { messages, settings } = JSON.parse((await exported("capital of France", "json")).text);
  assert.equal(settings.system, "You are a helpful assistant.");
  for (const word of ["France", "Tokyo", "Berlin"]) assert.ok(messages.some(({ text }) => text.includes(word)), word);
});

test("one that is deleted is gone, and comes back if that is undone", async () => {
  await menu("Jokes", "delete");
  await page.locator("#undo:not([hidden])").waitFor();
  assert.deepEqual(await titles(), ["What is the capital of France?"]);
  await page.click("#undo");
  await page.locator("#kept .open:focus", { hasText: "Jokes" }).waitFor();
  await menu("Jokes", "delete");
  await page.locator("#undo:not([hidden])").waitFor();
  await page.reload();
  await page.locator("#kept li").first().waitFor();
  assert.deepEqual(await titles(), ["What is the capital of France?"]);
});

test("without a model the conversation's own comes when it goes on", async () => {
  assert.equal(await page.getAttribute("body", "data-state"), "idle");
  assert.equal(await page.locator("#messages li").count(), 4);
  await settings(page, { maxTokens: 4 });
  assert.notEqual(await ask(page, "And of Spain?"), "");
  assert.match(await page.innerText("#model-name"), /SmolLM2/);
});

test("axe finds no serious fault in the list, its menu and in editing; pictures of it", async () => {
  await act(page.locator('#messages li[data-role="user"]').first(), "edit");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.locator('#kept [data-act="more"]').first().click();
    assert.deepEqual(await seriousFaults(page), [], `${colorScheme}, wide`);
    await picture(page, `conversations-${colorScheme}-1280`);
    await page.keyboard.press("Escape");
    await page.setViewportSize({ width: 390, height: 800 });
    assert.deepEqual(await seriousFaults(page), [], `${colorScheme}, narrow`);
    await picture(page, `conversations-${colorScheme}-390`);
    await page.click("#sidebar-toggle");
    await page.locator("#sidebar[data-open]").waitFor();
    assert.deepEqual(await seriousFaults(page), [], `${colorScheme}, narrow, the list open`);
    await picture(page, `list-${colorScheme}-390`);
    await page.click("#sidebar-close");
  }
  assert.deepEqual(heard, []);
});

test("an edit waits for an answer that is coming; Escape ends it, or closes a list, and the answer goes on", async () => {
  const page = await open("");
  await page.click("#load-demo");
  await state(page, "ready");
  await settings(page, { maxTokens: 16 });
  await ask(page, "What is the capital of France?");
  await act(page.locator('#messages li[data-role="user"]'), "edit");
  const box = page.locator(".editor textarea");
  await box.fill("What is the capital of Italy?");
  await settings(page, { maxTokens: 600 });
  await send(page, "Tell me about Paris in a few paragraphs.");
  await page.waitForFunction(() => document.querySelector('[data-state="streaming"]')?.dataset.tokens > 2);
  const answering = async () => assert.equal(await page.getAttribute("body", "data-state"), "answering");
  await page.click(".editor .primary");
  assert.equal(await box.inputValue(), "What is the capital of Italy?");
  await box.press("Escape");
  assert.equal(await page.locator(".editor").count(), 0);
  await answering();
  await page.click("#choose");
  await page.click("#browse");
  await page.locator("#gallery[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#gallery:not([open])").waitFor({ state: "attached" });
  await answering();
  await page.keyboard.press("Escape");
  await state(page, "ready");
  assert.match(await page.locator(".afterwards").last().textContent(), /stopped/);
  await page.close();
});

test("of an answer that two pages know, the one that came to its end is kept", () => {
  const begun = { id: "b", parent: "a", role: "assistant", text: "The", state: "failed" };
  const whole = { ...begun, text: "The end.", state: "done" };
  const asked = { id: "a", parent: "", role: "user", text: "So?" };
  const more = { id: "c", parent: "b", role: "user", text: "And?" };
  const [here, there] = [{ title: "", messages: [asked, begun, more] }, { title: "A", messages: [asked, whole] }];
  assert.deepEqual(merge(here, there), { title: "A", messages: [asked, whole, more] });
  assert.deepEqual(merge(there, here), { title: "A", messages: [asked, whole, more] });
});
