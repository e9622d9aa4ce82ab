// The page with the real model: it loads within its memory, answers, goes on with the chat, and stops when told.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { answer, ask, complaints, figures, send, settings, start, state } from "./browser.mjs";

const WASM_BYTES = 96 * 2 ** 20;

const { server, open } = await start(after);
const page = await open("", { viewport: { width: 1280, height: 800 } });
const heard = complaints(page);

test("the demo model loads with little memory, and the page says what it is", async () => {
  await page.click("#load-demo");
  assert.equal(await page.getAttribute("body", "data-state"), "loading");
  await page.locator('[data-phase="upload"][data-done]').waitFor({ state: "attached" });
  await state(page, "ready");
  const wasm = page.locator('[data-figure="wasm-bytes"]');
  const bytes = Number(await wasm.getAttribute("data-bytes"));
  assert.ok(bytes > 0 && bytes < WASM_BYTES, `WebAssembly memory grew to ${bytes} bytes`);
  const shown = await figures(page);
  assert.match(shown["gpu-bytes"], /^\d+(\.\d)? MB$/);
  assert.notEqual(shown.adapter, "–");
  assert.match(await page.textContent("#model-facts"), /^llama · 30 layers · .*q4/);
});

test("an answer streams, and names Paris", async () => {
  const stages = page.evaluate(
    () =>
      new Promise((seen) => {
        const stages = [];
        const list = document.querySelector("#messages");
        new MutationObserver((_, observer) => {
          const item = list.querySelector('[data-role="assistant"]');
          if (item?.dataset.state === "streaming") stages.push(item.querySelector(".words").textContent);
          if (item?.dataset.state !== "done") return;
          observer.disconnect();
          seen([...new Set(stages)]);
        }).observe(list, { subtree: true, childList: true, attributes: true });
      }),
  );
  const whole = await ask(page, "What is the capital of France?");
  assert.match(whole, /Paris/);
  const grown = (await stages).filter((stage) => stage !== "" && stage !== whole);
  assert.ok(grown.length >= 4, `${grown.length} stages were seen`);
  for (const stage of grown) assert.ok(whole.startsWith(stage), `${stage} | ${whole}`);
  const { decode, prefill, "first-token": first, context } = await figures(page);
  assert.match(decode, /^\d+(\.\d)? tok\/s$/);
  assert.match(prefill, /^\d+(\.\d)? tok\/s$/);
  assert.match(first, /^\d+(\.\d)? m?s$/);
  assert.match(context, /^\d+ of \d+$/);
});

test("a screen reader hears whole sentences, once", async () => {
  const spoken = await page.locator("#announcer p").allTextContents();
  assert.equal(spoken.join(" ").replace(/\s+/g, " "), (await answer(page)).replace(/\s+/g, " ").trim());
});

test("a second prompt goes on with the chat, and computes only what is new", async () => {
  const before = Number.parseInt((await figures(page)).context, 10);
  await settings(page, { maxTokens: 24 });
  const second = await ask(page, "Which country is that city the capital of?");
  assert.match(second, /France/);
  assert.ok(Number.parseInt((await figures(page)).context, 10) > before);
  assert.equal(await page.locator("#messages li").count(), 4);
});

test("Stop ends an answer within one token", async () => {
  await settings(page, { maxTokens: 200 });
  await send(page, "Tell me about Paris in a few paragraphs.");
  await page.locator('[data-state="streaming"]').waitFor();
  await page.waitForFunction(() => document.querySelector('[data-state="streaming"]').dataset.tokens > 40);
  const at = await page.evaluate(
    () =>
      new Promise((seen) => {
        const item = document.querySelector('[data-state="streaming"]');
        new MutationObserver((_, observer) => {
          observer.disconnect();
          document.querySelector("#stop").click();
          seen(Number(item.dataset.tokens));
        }).observe(item, { attributes: true });
      }),
  );
  await state(page, "ready");
  const item = page.locator('#messages li[data-role="assistant"]').last();
  assert.equal(await item.getAttribute("data-state"), "done");
  const tokens = Number(await item.getAttribute("data-tokens"));
  assert.ok(tokens >= at && tokens <= at + 1, `stopped at ${at}, ended at ${tokens}`);
  assert.match(await item.locator(".afterwards").innerText(), /stopped/);
});

test("Escape stops as well, and the keyboard is where it was", async () => {
  await send(page, "Tell me a long story.");
  await page.locator('[data-state="streaming"][data-tokens]').waitFor();
  await page.keyboard.press("Escape");
  await state(page, "ready");
  assert.equal(await page.evaluate(() => document.activeElement.id), "prompt");
});

test("Shift+Enter breaks the line, New chat forgets, Complete goes on with a text", async () => {
  await page.click("#new-chat");
  assert.equal(await page.locator("#messages li").count(), 0);
  await page.check('input[name="mode"][value="complete"]', { force: true });
  await settings(page, { maxTokens: 6, stop: "\n" });
  await page.fill("#prompt", "One, two,");
  await page.press("#prompt", "Shift+Enter");
  assert.equal(await page.inputValue("#prompt"), "One, two,\n");
  const text = await ask(page, "One, two, three, four,");
  assert.match(text, /^One, two, three, four, five/);
});

test("a setting out of range is refused in the page, and the prompt is kept", async () => {
  await settings(page, { topP: 7 });
  await send(page, "Hello");
  assert.equal(await page.locator('#settings [name="topP"]:invalid').count(), 1);
  assert.equal(await page.inputValue("#prompt"), "Hello");
  await settings(page, { topP: "" });
});

test("nothing but the page and the model was asked for, and nothing was complained of", () => {
  const own = /^\/($|models\/|oriel\/|icons\/|[-a-z]+\.(js|css|svg|html|webmanifest)$)/;
  const foreign = server.requests.filter((path) => !own.test(path));
  assert.deepEqual(foreign, []);
  assert.equal(server.requests.filter((path) => path.startsWith("/models/")).length, 1);
  assert.deepEqual(heard, []);
});
