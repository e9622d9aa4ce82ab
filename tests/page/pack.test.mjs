// The packed package in new folders, by bundlers and without one: it answers under a strict policy, and no request leaves.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as esbuild from "esbuild";
import { build as viteBuild } from "vite";
import webpack from "webpack";
import { copy, install, pack, scratchFolder, serveApps, watchedPages, writeFiles } from "./apps.mjs";
import { complaints } from "./browser.mjs";

const HTML = (script) => `<!doctype html><html lang="en"><title>App</title><body data-state="busy"><p></p>${script}</html>`;
const SCRIPT = (path) => `<script type="module" src="${path}"></script>`;

/** The app: five lines, and what the test wants to know. */
const APP = (oriel) => `
import { load, OrielError } from ${JSON.stringify(oriel)};

const output = document.querySelector("p");
try {
  const model = await load("/models/demo.gguf", { device: "cpu" });
  const chat = model.session();
  let chunks = 0;
  for await (const { text } of chat.send("What is the capital of France?", { maxTokens: 12, temperature: 0 })) {
    output.textContent += text;
    chunks += 1;
  }
  document.body.dataset.chunks = chunks;
  document.body.dataset.isolated = crossOriginIsolated;
  await model.dispose();
  document.body.dataset.state = "done";
} catch (error) {
  output.textContent = error instanceof OrielError ? error.code + ": " + error.message : String(error);
  document.body.dataset.state = "failed";
}
`;

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = await scratchFolder(after);
const { tarball, names } = await pack(folder);
const address = await serveApps(after, folder);
const { context, wanted } = await watchedPages(after);
const app = (name) => join(folder, name);

/** Opens an app, waits for its answer, and checks that nobody complained. */
async function answers(path) {
  const page = await context.newPage();
  const heard = complaints(page);
  await page.goto(address + path);
  await page.locator('body:not([data-state="busy"])').waitFor({ state: "attached", timeout: 60_000 });
  const { state, chunks, isolated } = await page.evaluate(() => ({ ...document.body.dataset }));
  const text = await page.innerText("p");
  await page.close();
  assert.equal(state, "done", text);
  assert.match(text, /Paris/);
  assert.ok(Number(chunks) > 3, "it was streamed");
  assert.equal(isolated, "false");
  assert.deepEqual(heard, []);
}

test("the tarball holds what is needed, and nothing else", () => {
  for (const name of ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "dist/index.js", "dist/index.d.ts"]) {
    assert.ok(names.includes(name), `${name} is missing`);
  }
  const usual = /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/([\w-]+\/)?[\w-]+(\.d\.ts|\.js|\.wasm))$/;
  assert.deepEqual(
    names.filter((name) => !usual.test(name)),
    [],
  );
});

test("every entry point has its file and its types, and TypeScript finds them from outside", async () => {
  await install(app("types"), tarball, {});
  const { exports, peerDependencies } = createRequire(join(app("types"), "x.js"))("./node_modules/oriel/package.json");
  // Who uses an adapter has what it adapts to.
  for (const peer of Object.keys(peerDependencies).flatMap((name) => [name, `@types/${name}`])) {
    const installed = join(root, "node_modules", peer);
    const link = join(app("types"), "node_modules", peer);
    if (!existsSync(installed)) continue;
    await mkdir(dirname(link), { recursive: true });
    await symlink(installed, link, "junction");
  }
  const modules = Object.entries(exports).filter(([, to]) => typeof to === "object");
  for (const [name, to] of modules) {
    assert.deepEqual(Object.keys(to), ["types", "default"], name);
    for (const path of Object.values(to)) assert.ok(names.includes(path.slice(2)), `${name}: ${path}`);
  }
  const lines = modules.map(([name], n) => `import * as m${n} from "oriel${name.slice(1)}"; export { m${n} };`);
  await writeFiles(app("types"), { "all.ts": lines.join("\n") });
  const tsc = createRequire(import.meta.url).resolve("typescript/package.json");
  for (const resolution of ["bundler", "nodenext"]) {
    const module = resolution === "bundler" ? "esnext" : "nodenext";
    const options = ["--noEmit", "--strict", "--types", "", "--lib", "es2022,dom,dom.iterable,dom.asynciterable"];
    const asked = [...options, "--module", module, "--moduleResolution", resolution, "--target", "es2022", "all.ts"];
    const script = join(tsc, "../bin/tsc");
    const run = promisify(execFile)(process.execPath, [script, ...asked], { cwd: app("types") });
    await run.catch(({ stdout }) => assert.fail(`${resolution}: ${stdout}`));
  }
});

test("without a bundler", async () => {
  const files = { "index.html": HTML(SCRIPT("app.js")), "app.js": APP("./node_modules/oriel/dist/index.js") };
  await install(app("plain"), tarball, files);
  await answers("plain/");
});

test("Vite", async () => {
  await install(app("vite"), tarball, { "index.html": HTML(SCRIPT("app.js")), "app.js": APP("oriel") });
  await viteBuild({ root: app("vite"), base: "./", logLevel: "error", configFile: false, build: { target: "es2022" } });
  await answers("vite/dist/");
});

test("webpack", async () => {
  await install(app("webpack"), tarball, { "app.js": APP("oriel") });
  const stats = await promisify(webpack)({
    context: app("webpack"),
    mode: "production",
    entry: "./app.js",
    output: { path: join(app("webpack"), "dist"), publicPath: "auto" },
  });
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  assert.deepEqual([errors, warnings.filter(({ message }) => !/size limit|performance/i.test(message))], [[], []]);
  await writeFiles(app("webpack/dist"), { "index.html": HTML(SCRIPT("main.js")) });
  await answers("webpack/dist/");
});

test("esbuild, which leaves addresses of files as they are: the package's files stand beside the bundle", async () => {
  await install(app("esbuild"), tarball, { "app.js": APP("oriel"), "dist/index.html": HTML(SCRIPT("app.js")) });
  await esbuild.build({
    absWorkingDir: app("esbuild"),
    entryPoints: ["app.js"],
    outdir: "dist",
    bundle: true,
    format: "esm",
    target: "es2022",
  });
  const from = app("esbuild/node_modules/oriel/dist");
  for (const name of ["worker.js", "thread.js", "wasm"]) await copy(join(from, name), join(app("esbuild/dist"), name));
  await answers("esbuild/dist/");
});

test("no request left for another host, and one that does is noticed", async () => {
  assert.deepEqual(wanted, []);
  const page = await context.newPage();
  await page.goto("about:blank");
  await page.evaluate(async () => {
    await fetch("http://page.test/", { mode: "no-cors" }).catch(() => undefined);
    const script = 'fetch("http://worker.test/", { mode: "no-cors" }).catch(() => 0).then(() => postMessage(0))';
    const worker = new Worker(URL.createObjectURL(new Blob([script])));
    await new Promise((done) => (worker.onmessage = done));
  });
  assert.deepEqual(wanted, ["http://page.test/", "http://worker.test/"]);
});

test("bundlers bring every file that the engine may ask for", async () => {
  const places = { vite: "vite/dist/assets", webpack: "webpack/dist" };
  for (const [name, at] of Object.entries(places)) {
    const files = (await readdir(app(at))).join(" ");
    assert.equal(files.match(/\.wasm/g)?.length, 5, `${name}: ${files}`);
  }
});
