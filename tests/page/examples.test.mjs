// The examples, built as their readers would build them, over the packed package: asked in the browser, they answer. All
// that is changed in them is the model's name.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build, createServer } from "vite";
import { copy, pack, scratchFolder, serveApps, watchedPages, writeFiles } from "./apps.mjs";
import { complaints } from "./browser.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const NAMED = /"hf:[^"]+\.gguf"/g;

const folder = await scratchFolder(after);
const modules = join(folder, "node_modules");
await unpack((await pack(folder)).tarball);
const address = await serveApps(after, folder);
const { context, wanted } = await watchedPages(after);
const app = (name) => join(folder, name);

/** The package as npm would install it, and beside it what the examples need besides, from the repository's own. */
async function unpack(tarball) {
  await mkdir(join(modules, "oriel"), { recursive: true });
  await promisify(execFile)("tar", ["-xzf", tarball, "-C", join(modules, "oriel"), "--strip-components=1"]);
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name !== "oriel") await symlink(join(root, "node_modules", name), join(modules, name));
  }
}

/** A copy of an example, whose model is the demo model. */
async function example(name, file) {
  await copy(join(root, "examples", name), app(name));
  const text = await readFile(join(app(name), file), "utf8");
  assert.equal(text.match(NAMED)?.length, 1, `${file} names one model`);
  await writeFiles(app(name), { [file]: text.replace(NAMED, '"/models/demo.gguf"') });
  const { dependencies, devDependencies = {} } = JSON.parse(await readFile(join(app(name), "package.json"), "utf8"));
  for (const [needed, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    const found = JSON.parse(await readFile(join(modules, needed, "package.json"), "utf8")).version;
    assert.equal(version, `^${found}`, `examples/${name} is tested with this version of ${needed}`);
  }
}

/** Opens a page and asks it for a capital. Nobody may complain. */
async function answers(url, then = async () => undefined) {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const heard = complaints(page);
  await page.goto(url);
  await page.getByLabel("Question").fill("What is the capital of France?");
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator("li.assistant", { hasText: "Paris" }).waitFor();
  await page.locator("button:enabled", { hasText: "Send" }).waitFor();
  await then(page);
  await page.close();
  assert.deepEqual(heard, []);
}

const viteBuild = (name) => build({ root: app(name), logLevel: "error" });

test("plain: no build; a second turn, and one that is stopped", async () => {
  await example("plain", "app.js");
  await mkdir(join(app("plain"), "node_modules"));
  await symlink(join(modules, "oriel"), join(app("plain"), "node_modules/oriel"));
  await answers(`${address}plain/`, async (page) => {
    assert.match(await page.getByRole("status").innerText(), /^\d+\.\d tokens a second$/);
    await page.getByLabel("Question").fill("Tell me a long story.");
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator("li.assistant").nth(1).getByText(/\w+ \w+/).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator("button:enabled", { hasText: "Send" }).waitFor();
    assert.equal(await page.locator("li").count(), 4);
  });
});

test("vite-react", async () => {
  await example("vite-react", "src/Chat.jsx");
  await viteBuild("vite-react");
  await answers(`${address}vite-react/dist/`, async (page) => {
    assert.equal(await page.getByRole("status").innerText(), "Ready, on cpu");
    assert.equal(await page.getByRole("alert").count(), 0);
  });
});

test("ai-sdk", async () => {
  await example("ai-sdk", "app.js");
  await viteBuild("ai-sdk");
  await answers(`${address}ai-sdk/dist/`, async (page) => {
    assert.match(await page.getByRole("status").innerText(), /^\d+ tokens$/);
    assert.notEqual(await page.title(), "Oriel behind the AI SDK");
  });
});

test("openai", async () => {
  await example("openai", "app.js");
  await viteBuild("openai");
  await answers(`${address}openai/dist/`, async (page) => {
    assert.match(await page.getByRole("status").innerText(), /^\d+ tokens$/);
  });
});

test("vite-react by Vite's development server", async () => {
  // Browsers ask for it by themselves.
  await writeFiles(app("vite-react"), { "public/favicon.ico": "" });
  const server = { host: "127.0.0.1", port: 0, fs: { allow: [folder] }, proxy: { "/models": address }, hmr: false };
  const developing = await createServer({ root: app("vite-react"), logLevel: "error", server });
  await developing.listen();
  try {
    // What it prepares it finds as it reads the app; without `hmr` the page isn't told to begin anew for what comes late.
    await developing.warmupRequest("/src/main.jsx");
    await developing.waitForRequestsIdle();
    await answers(`http://127.0.0.1:${developing.httpServer.address().port}/`);
  } finally {
    await developing.close();
  }
});

test("no request left for another host", () => assert.deepEqual(wanted, []));
