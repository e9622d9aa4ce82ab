// The panels beside the conversation: each comes when it is opened, shows what is so, and can be used by anyone.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { answer, ask, complaints, figures, loadModel, picture, seriousFaults, settings, start } from "./browser.mjs";

const golden = fileURLToPath(new URL("../golden/llama", import.meta.url));
const { server, browser, open } = await start(after, { device: "cpu", hub: { "tiny/llama": golden } });
const page = await open("", { viewport: { width: 1280, height: 800 } });
const heard = complaints(page);
const panel = (name, of = page) => of.locator(`details[data-panel="${name}"]`);

async function openPanel(name, of = page) {
  await panel(name, of).locator("summary").first().click();
  await panel(name, of).locator(".panel-body > :nth-child(2)").waitFor({ state: "attached" });
}

test("no panel is fetched before it is opened", async () => {
  assert.ok(server.requests.includes("/panels.js"));
  for (const path of ["/panels.css", "/privacy.js", "/lines.js", "/kernels.js"]) {
    const loaded = await page.evaluate((path) => performance.getEntriesByName(new URL(path, location).href).length, path);
    assert.equal(loaded, 0, path);
  }
});

test("the privacy panel lists every request, the engine's too, and finds no word of what was typed", async () => {
  await loadModel(page, `${server.address}models/demo.gguf`);
  await settings(page, { maxTokens: 24 });
  await ask(page, "What is the capital of France?");
  await page.evaluate(() => navigator.serviceWorker.ready);
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
  await page.evaluate(() => {
    const form = new FormData();
    form.set("said", "What is the capital of France?");
    void fetch("/form", { method: "POST", body: form }).catch(() => 0);
  });
  await page.waitForFunction(() => document.querySelectorAll(".hosts [data-leak]").length === 3);
  assert.match(await panel("privacy").locator(".verdict").innerText(), /^3 requests carried something/);
  assert.match(await panel("privacy").locator(".hosts [data-leak]").nth(1).innerText(), /sent 41 B/);
  heard.splice(0, heard.length, ...heard.filter((text) => !text.includes("404")));
});

test("charts follow the tokens and the memory", async () => {
  await openPanel("charts");
  await page.locator(".plot canvas").nth(1).waitFor();
  await settings(page, { maxTokens: 120 });
  const values = page.locator('details[data-panel="charts"] .legend dd');
  const seen = page.waitForFunction(() => {
    const [pace] = document.querySelectorAll('details[data-panel="charts"] .legend dd');
    return Number.parseFloat(pace.textContent) > 1;
  });
  await ask(page, "Tell me about Paris in a few paragraphs.");
  await seen;
  const [, device, wasm, script] = await values.allInnerTexts();
  assert.match(device, /^\d+(\.\d)? MB$/);
  assert.match(wasm, /^\d+(\.\d)? MB$/);
  assert.match(script, /^\d+(\.\d)? MB$/);
  const inks = await page.locator(".plot canvas").evaluateAll((all) =>
    all.map((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, place) => place % 4 === 3 && value > 0).length;
    }),
  );
  assert.ok(inks.every((ink) => ink > 500), inks.join(", "));
});

test("the token view colours tokens, shows what else was likely, and answers anew from another", async () => {
  await openPanel("tokens");
  assert.match(await panel("tokens").innerText(), /began before this was opened/);
  await settings(page, { maxTokens: 12 });
  const whole = await ask(page, "What is the capital of France?");
  const tokens = panel("tokens").locator(".tokens .token");
  const texts = await tokens.allTextContents();
  assert.equal(texts.join("").replaceAll("·", "").trim(), whole.trim());
  const place = texts.findIndex((text) => text.includes("Paris"));
  await tokens.nth(place).hover();
  const rows = panel("tokens").locator(".alternatives li");
  assert.equal(await rows.count(), 5);
  assert.match(await rows.first().innerText(), /Paris[\s\S]*\d+\.\d %/);
  assert.ok(await rows.first().locator("button").isDisabled(), "the one that was taken");
  // The keyboard walks along the tokens.
  await tokens.nth(place).click();
  await page.keyboard.press("ArrowLeft");
  assert.equal(await tokens.nth(place - 1).getAttribute("aria-selected"), "true");
  await page.keyboard.press("ArrowRight");
  const prompt = await promptTokens();
  const other = await rows.nth(1).locator("code").innerText();
  await rows.nth(1).locator("button").click();
  const last = page.locator("#messages li").last();
  await last.locator('.versions span:text-is("2/2")').waitFor();
  await page.locator('#messages li:last-child[data-state="done"]').waitFor();
  const branch = await tokens.allTextContents();
  assert.deepEqual(branch.slice(0, place), texts.slice(0, place));
  assert.equal(branch[place].trim(), other.replaceAll("␣", "").trim());
  assert.ok(branch.length > place + 1);
  assert.equal((await answer(page)).trim(), branch.join("").replaceAll("·", "").trim());
  assert.match(await panel("tokens").innerText(), new RegExp(`Another way from token ${place + 1} on`));
  assert.equal(await promptTokens(), prompt, "it was asked by the same tokens");
  assert.equal(await tokens.nth(place).getAttribute("aria-selected"), "true", "its place stays chosen");
  assert.ok(await tokens.nth(place).evaluate((token) => token === document.activeElement));
  assert.ok(await rows.nth(1).locator("button").isDisabled(), "the one that was chosen");
  await last.locator('[data-act="previous"]').click();
  assert.equal((await answer(page)).trim(), whole.trim());
});

/** What the newest answer's prompt came to, by the context's fill and the answer's own tokens. */
async function promptTokens() {
  const filled = Number.parseInt((await figures(page)).context);
  return filled - Number(await page.locator("#messages li").last().getAttribute("data-tokens"));
}

test("the kernels' panel says why it has no times on the processor", async () => {
  await openPanel("kernels");
  assert.ok(await page.isDisabled('details[data-panel="kernels"] button'));
  assert.match(await panel("kernels").innerText(), /gives no timestamps/);
});

test("on a GPU each dispatch of a pass stands in the timeline", async () => {
  const other = await browser.newPage({ viewport: { width: 1280, height: 1000 }, reducedMotion: "reduce" });
  other.setDefaultTimeout(60_000);
  const faults = complaints(other);
  await other.goto(`${server.address}?device=webgpu`);
  await loadModel(other, `${server.address}hub/tiny/llama/resolve/main/`);
  await openPanel("kernels", other);
  await other.click('details[data-panel="kernels"] button');
  await other.locator(".lanes rect").first().waitFor();
  const [token, lanes, rows] = await Promise.all(
    [".lanes rect", ".lane-names li", ".kernel-table tbody tr"].map((which) => other.locator(which).count()),
  );
  assert.ok(token > lanes && rows >= lanes && lanes > 3, `${token} dispatches, ${lanes} lanes, ${rows} rows`);
  const title = await other.locator(".lanes rect title").first().textContent();
  assert.match(title, /^\S+: \S+ .*µs, after/);
  await panel("kernels", other).evaluate((details) => details.scrollIntoView());
  await picture(other, "panel-timeline");
  await other.selectOption('[aria-label="Pass"]', { index: 1 });
  await other.selectOption('[aria-label="Zoom"]', "4");
  const [narrow, wide] = await other.locator(".lanes-scroll").evaluate((box) => [box.clientWidth, box.scrollWidth]);
  assert.ok(wide > 3.5 * narrow, `${wide} of ${narrow}`);
  assert.deepEqual(await seriousFaults(other), []);
  assert.deepEqual(faults, []);
  await other.close();
});

test("axe finds no serious fault in the panels, by day and by night, wide and narrow", async () => {
  const looks = ["light", "dark"].flatMap((colorScheme) => [1280, 390].map((width) => ({ colorScheme, width })));
  for (const { colorScheme, width } of looks) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 800 });
    if (width < 1000) await page.click("#panel-toggle");
    for (const name of await page.locator("details[data-panel]").evaluateAll((all) => all.map((one) => one.dataset.panel))) {
      await panel(name).scrollIntoViewIfNeeded();
      await panel(name).evaluate((details) => details.scrollIntoView());
      await picture(page, `panel-${name}-${colorScheme}-${width}`);
    }
    assert.deepEqual(await seriousFaults(page), [], `${colorScheme}, ${width} pixels wide`);
    assert.equal(await page.evaluate(() => document.scrollingElement.scrollTop), 0, "only parts of the page scroll");
    if (width < 1000) await page.click("#panel-close");
  }
  assert.deepEqual(heard, []);
});
