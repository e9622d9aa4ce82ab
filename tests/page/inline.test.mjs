// Pages with a policy of their own: one that is a single file, opened from the disk or served alone, and a browser
// extension's.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as esbuild from "esbuild";
import { chromium } from "playwright-core";
import { copy, scratchFolder, writeFiles } from "./apps.mjs";
import { NO_WEBGPU, complaints, launch } from "./browser.mjs";
import { modelFile } from "./server.mjs";

const dist = fileURLToPath(new URL("../../pkg/dist", import.meta.url));
const folder = await scratchFolder(after);

/** Answers about a capital, by a file that the visitor chooses. */
const APP = (oriel) => `
import { load } from ${JSON.stringify(oriel)};

const [input, output] = document.querySelectorAll("input, p");
input.onchange = async () => {
  const { options } = document.body.dataset;
  try {
    const model = await load(input.files[0], JSON.parse(options ?? "{}"));
    const run = model.session().send("What is the capital of France?", { maxTokens: 12, temperature: 0 });
    for await (const { text } of run) output.textContent += text;
    const messages = [{ role: "user", content: "Hello" }];
    const { choices } = await model.chat.completions.create({ messages, max_tokens: 1 });
    document.body.dataset.shape = choices[0].finish_reason;
    document.body.dataset.device = model.info.deviceReason;
    await model.dispose();
    document.body.dataset.state = "done";
  } catch (error) {
    output.textContent = error.code + ": " + error.message;
    document.body.dataset.state = "failed";
  }
};
`;
const HTML = (head, script) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8">${head}<title>App</title></head>` +
  `<body data-state="busy"><input type="file"><p></p>${script}</body></html>`;

/** What a page of a single file has to allow, and no more. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; worker-src blob:";

const single = await singleFile();
const browser = await launch(NO_WEBGPU);
after(() => browser.close());

/** The app and the package in a page's one script, as a bundler makes it. */
async function singleFile() {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: APP("oriel/inline"), resolveDir: fileURLToPath(new URL("../..", import.meta.url)) },
    bundle: true,
    format: "esm",
    write: false,
    charset: "utf8",
  });
  const script = `<script type="module">${outputFiles[0].text}</script>`;
  const text = HTML(`<meta http-equiv="Content-Security-Policy" content="${POLICY}">`, script);
  await writeFiles(folder, { "single.html": text });
  return { path: join(folder, "single.html"), text };
}

/** Gives the page the demo model, and waits for the answer. */
async function answers(page, options = {}) {
  const heard = complaints(page);
  await page.evaluate((options) => (document.body.dataset.options = JSON.stringify(options)), options);
  await page.setInputFiles("input", modelFile());
  await page.locator('body:not([data-state="busy"])').waitFor({ state: "attached", timeout: 60_000 });
  const { state, shape } = await page.evaluate(() => ({ ...document.body.dataset }));
  const text = await page.innerText("p");
  assert.equal(state, "done", text);
  assert.match(text, /Paris/);
  assert.equal(shape, "length", "OpenAI's shape is within too");
  assert.deepEqual(heard, []);
}

/** Serves one page, whatever is asked for, by these headers. */
async function servePage(headers) {
  const requests = [];
  const server = createServer(({ url }, response) => {
    requests.push(url);
    response.writeHead(200, { "content-type": "text/html", ...headers }).end(single.text);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  after(() => (server.closeAllConnections(), server.close()));
  return { requests, address: `http://127.0.0.1:${server.address().port}/` };
}

test("a page of one file answers from the disk", async () => {
  const page = await browser.newPage();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(pathToFileURL(single.path).href);
  await answers(page);
  assert.deepEqual(asked.filter((url) => !url.startsWith("blob:")), [pathToFileURL(single.path).href]);
  await page.close();
});

test("served, with threads where the page is isolated: no further request", async () => {
  const isolated = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
  const { requests, address } = await servePage(isolated);
  const page = await browser.newPage();
  await page.goto(address);
  await answers(page, { device: "cpu", threads: 2 });
  assert.deepEqual(requests, ["/"]);
  await page.close();
});

test("a policy without blob: is named", async () => {
  const { address } = await servePage({ "content-security-policy": "worker-src 'none'" });
  const page = await browser.newPage();
  await page.goto(address);
  await page.setInputFiles("input", modelFile());
  await page.locator('[data-state="failed"]').waitFor({ state: "attached" });
  assert.match(await page.innerText("p"), /^engine: .*worker-src blob:/);
  await page.close();
});

test("all of it in one file: no other is named in it", async () => {
  const text = await readFile(join(dist, "inline.js"), "utf8");
  assert.doesNotMatch(text, /import\.meta|\bimport\s*\(|\bimport\s*["{]/);
  assert.ok((await stat(join(dist, "inline.js"))).size < 2_500_000);
});

test("a page of a browser extension, by the policy that extensions have, and WebAssembly", async () => {
  const extension = join(folder, "extension");
  await writeFiles(extension, {
    "manifest.json": JSON.stringify({
      manifest_version: 3,
      name: "Oriel",
      version: "1.0",
      content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" },
      background: { service_worker: "background.js" },
    }),
    "background.js": "chrome.runtime.onInstalled.addListener(() => undefined);",
    "app.html": HTML("", '<script type="module" src="app.js"></script>'),
    "app.js": APP("./oriel/index.js"),
  });
  await copy(dist, join(extension, "oriel"));
  const context = await chromium.launchPersistentContext(join(folder, "profile"), {
    executablePath: process.env.ORIEL_BROWSER,
    headless: true,
    args: [...NO_WEBGPU, `--disable-extensions-except=${extension}`, `--load-extension=${extension}`],
    ignoreDefaultArgs: ["--disable-extensions"],
  });
  try {
    const [background = await context.waitForEvent("serviceworker", { timeout: 30_000 })] = context.serviceWorkers();
    const page = await context.newPage();
    await page.goto(new URL("app.html", background.url()).href);
    await answers(page);
  } finally {
    await context.close();
  }
});
