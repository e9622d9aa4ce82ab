// A load that is ended midway, by Cancel or by an error, leaves nothing on the GPU.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { answer, loadModel, settings, start, state } from "./browser.mjs";

/** Runs in the worker before the engine: counts bytes of buffers that live, tells the page, and loses devices for it. */
const COUNT = `{
  const living = new Map();
  const channel = new BroadcastChannel("gpu");
  new BroadcastChannel("lose").onmessage = () => {
    const [{ device }] = living.values();
    device.destroy();
  };
  const tell = () => channel.postMessage({ bytes: [...living.values()].reduce((sum, { size }) => sum + size, 0) });
  const { createBuffer, destroy } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    living.set(buffer, { size: descriptor.size, device: this });
    tell();
    return buffer;
  };
  GPUDevice.prototype.destroy = function () {
    for (const [buffer, { device }] of living) if (device === this) living.delete(buffer);
    destroy.call(this);
    tell();
  };
  const free = GPUBuffer.prototype.destroy;
  GPUBuffer.prototype.destroy = function () {
    living.delete(this);
    free.call(this);
    tell();
  };
}
`;

const { server, open } = await start(after, { workerPrelude: COUNT });
const at = (fault) => `${server.address}fault/${fault}/model.gguf`;
const page = await open();
await page.evaluate(() => {
  globalThis.gpu = { bytes: 0, most: 0 };
  new BroadcastChannel("gpu").onmessage = ({ data: { bytes } }) => {
    gpu = { bytes, most: Math.max(gpu.most, bytes) };
  };
});

/** The most bytes that lived on the GPU since the last call, once none are left. */
async function mostBytes() {
  await page.waitForFunction(() => gpu.bytes === 0, undefined, { timeout: 10_000 });
  return page.evaluate(() => {
    const { most } = gpu;
    gpu.most = 0;
    return most;
  });
}

test("Cancel in mid-download frees what had come, by keyboard alone", async () => {
  await page.fill("#address", at("slow"));
  await page.press("#address", "Enter");
  await page.waitForFunction(() => gpu.bytes > 50e6);
  assert.equal(await page.evaluate(() => document.activeElement.id), "cancel");
  await page.keyboard.press("Enter");
  await state(page, "idle");
  assert.equal(await page.evaluate(() => document.activeElement.id), "prompt");
  assert.ok(await page.isHidden("#notice"), "a load that its visitor ended is no error");
  assert.ok((await mostBytes()) > 50e6);
});

test("an error in mid-download frees what had come", async () => {
  await loadModel(page, at("broken"));
  assert.equal(await page.getAttribute("#notice", "data-code"), "network");
  assert.ok((await mostBytes()) > 50e6);
});

test("a model that takes another's place, and dispose, free it", async () => {
  await page.click("#load-demo");
  await state(page, "ready");
  await loadModel(page, at("absent"));
  assert.ok((await mostBytes()) > 90e6);
});

test("a GPU that goes away in mid-answer is another's to go on for, and the page says so", async () => {
  await settings(page, { maxTokens: 6 });
  await page.click("#new-chat");
  await page.fill("#prompt", "Tell me a story.");
  await page.press("#prompt", "Enter");
  await page.locator('[data-state="streaming"][data-tokens]').waitFor();
  await page.evaluate(() => new BroadcastChannel("lose").postMessage(null));
  await page.locator("#progress-title", { hasText: "was lost by the device and is loaded again" }).waitFor();
  await page.locator('#messages li:last-child[data-role="assistant"][data-state="done"]').waitFor();
  assert.ok(await page.isHidden("#notice"));
  assert.ok(await page.isHidden("#progress"));
  assert.notEqual(await answer(page), "");
});

test("each load has a worker of its own, and none is left over", async () => {
  await loadModel(page, at("absent"));
  for (let patience = 50; page.workers().length > 0 && patience > 0; patience -= 1) await page.waitForTimeout(100);
  assert.equal(page.workers().length, 0);
});
