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
