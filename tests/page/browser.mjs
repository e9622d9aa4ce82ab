// Chromium with WebGPU on any machine, and the few things that tests do with the page in it.

import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { serve } from "./server.mjs";

/** On a machine without a GPU, Chromium computes on the processor; quiet, as nothing outside is to be asked. */
const QUIET = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

const FLAGS = [...QUIET, "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** As it comes: without a graphics card it offers WebGPU, but no adapter. */
export const NO_WEBGPU = QUIET;

/**
 * A test's whole set-up: a server, a browser, and both ended when the file's tests are over. Pages are told to compute
 * by `device`: SwiftShader is no GPU, and by themselves they would take the processor.
 */
export async function start(after, { device = "webgpu", flags, ...options } = {}) {
  const server = await serve(options);
  const browser = await launch(flags);
  after(async () => {
    await browser.close();
    server.close();
  });
  const open = async (path = "", options = {}) => {
    const page = await browser.newPage(options);
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(`${server.address}${path}${device ? `?device=${device}` : ""}`);
    return page;
  };
  return { server, browser, open };
}

/** A graphics card that is none takes its time. */
const PATIENCE_MS = 180_000;

/** Starts the browser that ORIEL_BROWSER names, by these flags. */
export async function launch(flags = FLAGS) {
  const executablePath = process.env.ORIEL_BROWSER;
  if (!executablePath) throw new Error("ORIEL_BROWSER names no browser; `cargo xtask` sets it");
  return chromium.launch({ executablePath, args: flags });
}

/** What the page's console said of errors, for tests that expect silence. */
export function complaints(page) {
  const heard = [];
  page.on("console", (message) => message.type() === "error" && heard.push(message.text()));
  page.on("pageerror", (error) => heard.push(String(error)));
  return heard;
}

/** Waits until the page is in one of these states. */
export function state(page, ...states) {
  const wanted = states.map((name) => `body[data-state="${name}"]`).join(", ");
  return page.locator(wanted).waitFor({ state: "attached" });
}

/** Loads a model by its address, and waits until it is there or the page says why not. */
export async function loadModel(page, address) {
  if (await page.locator("#chooser").isHidden()) await page.click("#choose");
  await page.fill("#address", address);
  await page.click("#load-address");
  await page.locator('body[data-state="ready"], #notice:not([hidden])').first().waitFor({ state: "attached" });
}

/** Types a prompt, sends it, and waits for the whole answer. */
export async function ask(page, prompt) {
  await send(page, prompt);
  await page
    .locator('#messages li:last-child[data-role="assistant"]:is([data-state="done"], [data-state="failed"])')
    .waitFor();
  return answer(page);
}

/** Types a prompt and sends it. */
export async function send(page, prompt) {
  await page.fill("#prompt", prompt);
  await page.press("#prompt", "Enter");
}

/** The words of the newest answer. */
export function answer(page) {
  return page.locator('#messages li[data-role="assistant"]').last().locator(".words").innerText();
}

/** Sets fields of the settings form by name. */
export async function settings(page, values) {
  for (const [name, value] of Object.entries(values)) await page.fill(`#settings [name="${name}"]`, String(value));
}

/** The figures beside the conversation: name to text. */
export function figures(page) {
  return page
    .locator("#figures [data-figure]")
    .evaluateAll((all) => Object.fromEntries(all.map((figure) => [figure.dataset.figure, figure.textContent])));
}

const below = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** What axe finds of serious faults in the page as it stands. */
export async function seriousFaults(page) {
  await page.evaluate(await readFile(below("node_modules/axe-core/axe.min.js"), "utf8"));
  return page.evaluate(async () => {
    const { violations } = await axe.run();
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join("; ")}`);
  });
}

/** A picture of the page, to be looked at. */
export async function picture(page, name) {
  await mkdir(below("target/page"), { recursive: true });
  await page.screenshot({ path: below(`target/page/${name}.png`) });
}
