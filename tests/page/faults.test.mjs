// Everything that can be wrong with a model's source: each has its own clear message, and the page stays usable.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { ask, loadModel, settings, start } from "./browser.mjs";
import { modelFile } from "./server.mjs";

const { server, browser, open } = await start(after);
const page = await open();
const at = (fault) => `${server.address}fault/${fault}/model.gguf`;

/** Fault, the notice's code, and what its text has to name. */
const CASES = [
  ["absent", "not-found", /fault\/absent\/model\.gguf answered 404/],
  ["page", "not-a-model", /web page, not a model/],
  ["pointer", "not-a-model", /Git LFS pointer/],
  ["wrong", "file-damaged", /model\.gguf: .*no GGUF file: it begins with "PNGP", expected "GGUF"/],
  [
    "truncated",
    "file-damaged",
    /model\.gguf: tensor \S+ ends at byte \d+, but the file has only \d+ bytes: it is truncated/,
  ],
  ["broken", "network", /model\.gguf broke off after \d+ of \d+ bytes/],
  ["tensor", "model-mismatch", /model\.gguf: .*blk\.3\.attn_q\.weight/],
  ["quantisation", "unsupported", /blk\.3\.attn_q\.weight.*IQ4_NL/i],
];

for (const [fault, code, text] of CASES) {
  test(`a source that is ${fault} is named so`, async () => {
    await loadModel(page, at(fault));
    const notice = page.locator("#notice");
    assert.equal(await notice.getAttribute("data-code"), code, await notice.innerText());
    assert.match(await page.innerText("#notice-text"), text);
    assert.notEqual(await page.innerText("#notice-advice"), "");
    assert.equal(await page.getAttribute("body", "data-state"), "idle");
    assert.ok(await page.isEnabled("#load-demo"));
  });
}

test("an address that is none, and a name that is none, are refused before anything is asked for", async () => {
  await loadModel(page, "http://[");
  assert.equal(await page.getAttribute("#notice", "data-code"), "option");
  await loadModel(page, "hf:nobody");
  assert.match(await page.innerText("#notice-text"), /expected hf:owner\/name/);
});

test("a prompt that found no model goes back into its box", async () => {
  await page.route("**/models/*", (route) => route.fulfill({ status: 404, body: "" }));
  await page.fill("#prompt", "Hello");
  await page.press("#prompt", "Enter");
  await page.locator('#notice[data-code="not-found"]:not([hidden])').waitFor();
  assert.equal(await page.inputValue("#prompt"), "Hello");
  assert.equal(await page.locator("#messages li").count(), 0);
  await page.unroute("**/models/*");
});

test("a file of one's own that is none is refused, by its name", async () => {
  await page.setInputFiles("#file", { name: "notes.gguf", mimeType: "", buffer: Buffer.from("not a model at all") });
  await page.locator('#notice[data-code="file-damaged"]:not([hidden])').waitFor();
  assert.match(await page.innerText("#notice-text"), /notes\.gguf/);
});

test("a file that is dropped on the page is taken, and refused by its name", async () => {
  const files = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["nothing of use"], "dropped.gguf"));
    return transfer;
  });
  await page.dispatchEvent("body", "dragover", { dataTransfer: files });
  assert.ok(await page.isVisible("#drop"));
  await page.dispatchEvent("body", "drop", { dataTransfer: files });
  await page.locator("#notice-text", { hasText: "dropped.gguf" }).waitFor();
  assert.ok(await page.isHidden("#drop"));
});

test("after all that, a server without ranges and lengths serves, and the page answers", async () => {
  await loadModel(page, at("plain"));
  assert.ok(await page.isHidden("#notice"), await page.innerText("#notice"));
  await settings(page, { maxTokens: 3 });
  assert.notEqual(await ask(page, "Hello"), "");
});

test("a file of one's own is as good, with the same answer", async () => {
  const before = await page.locator('[data-role="assistant"] .words').last().innerText();
  await page.click("#choose");
  // As a drop would bring it: the browser reads the file itself.
  await page.setInputFiles("#file", modelFile());
  await page.locator('body[data-state="ready"]').waitFor({ state: "attached" });
  await page.click("#new-chat");
  assert.equal(await ask(page, "Hello"), before);
});

test("a page that is told to use WebGPU where there is none says what can be done", async () => {
  const bare = await open("blank.html");
  await bare.addInitScript(() => delete Navigator.prototype.gpu);
  await bare.goto(`${server.address}?device=webgpu`);
  await bare.click("#load-demo");
  await bare.locator('#notice[data-code="no-webgpu"]:not([hidden])').waitFor();
  assert.match(await bare.innerText("#notice-text"), /does not offer WebGPU/);
  assert.match(
    await bare.innerText("#notice"),
    /WebGPU is missing[\s\S]*Or use a current Chrome, Edge, Firefox or Safari/,
  );
  await bare.close();
});

test("a part of the page that can't be fetched is told, and the rest is of use", async () => {
  const page = await (await browser.newContext()).newPage();
  const thrown = [];
  page.on("pageerror", (error) => thrown.push(String(error)));
  await page.route(/\/(sidebar|gallery)\.js$/, (route) => route.abort());
  await page.goto(`${server.address}?device=cpu`);
  await page.locator("#kept-status", { hasText: "Conversations end with this page" }).waitFor();
  await page.click("#browse");
  await page.locator("#notice:not([hidden])", { hasText: "gallery.js" }).waitFor();
  await page.click("#load-demo");
  await settings(page, { maxTokens: 8 });
  assert.match(await ask(page, "What is the capital of France?"), /Paris/);
  assert.deepEqual(thrown, []);
  await page.close();
});
