// Firefox, driven over WebDriver BiDi, with a home of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

/** Firefox has WebGPU everywhere, but offers it by itself only on some systems, and not on software adapters. */
export const WEBGPU = { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true };

/** Starts the Firefox that ORIEL_FIREFOX names, with these preferences. */
export async function launchFirefox(preferences = {}) {
  const executablePath = process.env.ORIEL_FIREFOX;
  if (!executablePath) throw new Error("ORIEL_FIREFOX names no Firefox; `cargo xtask` sets it");
  // A first start writes to its home, and it may not be there.
  const home = await mkdtemp(join(tmpdir(), "oriel-firefox-"));
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath,
    extraPrefsFirefox: preferences,
    env: { ...process.env, HOME: home },
    protocolTimeout: 0,
  });
  const close = browser.close.bind(browser);
  browser.close = async () => {
    await close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  return browser;
}

/** How long a page may take for what it is asked, and how often it is looked at. */
const PATIENCE_MS = 100_000;
const LOOK_MS = 100;

/**
 * What an async function comes to in a page. The page holds the promise and is asked in short calls: one that waits for
 * long over WebDriver BiDi is now and then never answered by this Firefox.
 */
export async function run(page, task, ...given) {
  const begin = (source, given) => {
    globalThis.outcome = undefined;
    globalThis.running = (0, eval)(`(${source})`)(...given).then(
      (value) => (globalThis.outcome = { value }),
      (error) => (globalThis.outcome = { error: `${error.code ?? error.name}: ${error.message}` }),
    );
  };
  await page.evaluate(begin, `${task}`, given);
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    const outcome = await page.evaluate(() => globalThis.outcome);
    if (outcome?.error) throw new Error(outcome.error);
    if (outcome) return outcome.value;
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  throw new Error(`the page did not answer in ${PATIENCE_MS} ms`);
}
