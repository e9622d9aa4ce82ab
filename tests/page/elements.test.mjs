// The adapters that have a face of their own in a page, over a real model on the processor: the pipeline, React's hooks,
// <oriel-chat>, the browser's LanguageModel.

import assert from "node:assert/strict";
import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { STRICT } from "./apps.mjs";
import { complaints, start } from "./browser.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** An app as its bundler makes it, React in the build for development; the package itself is the served one. */
async function bundled(contents) {
  const served = ({ onResolve }) => {
    onResolve({ filter: /^oriel\/react$/ }, () => ({ path: `${root}pkg/dist/react.js` }));
    onResolve({ filter: /^\.\/index\.js$/ }, ({ importer }) =>
      importer.includes("/pkg/dist/") ? { path: "/oriel/index.js", external: true } : undefined,
    );
  };
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: "jsx" },
    bundle: true,
    format: "esm",
    jsx: "automatic",
    write: false,
    define: { "process.env.NODE_ENV": '"development"' },
    plugins: [{ name: "served", setup: served }],
  });
  return outputFiles[0].text;
}

const REACT_APP = `
  import { StrictMode } from "react";
  import { createRoot } from "react-dom/client";
  import { useChat, useModel } from "oriel/react";

  function Chat({ source, maxTokens }) {
    const onProgress = ({ phase }) => phases.add(phase);
    const { model, status, error, retry } = useModel(source, { device: "cpu", onProgress });
    const chat = useChat(model, { system: "You are a helpful assistant.", maxTokens });
    Object.assign(globalThis, { model, chat, retry });
    return (
      <main data-model={status} data-chat={chat.status}>
        <output>{error?.code ?? chat.error?.code}</output>
        <ul>{chat.messages.map(({ role, content }, place) => <li key={place} className={role}>{content}</li>)}</ul>
      </main>
    );
  }
  globalThis.phases = new Set();
  document.body.append(Object.assign(document.createElement("div"), { id: "root" }));
  globalThis.root = createRoot(document.querySelector("#root"));
  globalThis.show = (props) => root.render(<StrictMode><Chat {...props} /></StrictMode>);`;

/** A page without a build, under a strict policy. */
const chatPage = (element) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Chat</title>
  <meta http-equiv="Content-Security-Policy" content="${STRICT}">
  <script type="module" src="/oriel/element.js"></script>
  <main><h1>Chat</h1>${element}</main>`;

const instead = {
  "/react-app.js": await bundled(REACT_APP),
  "/chat.html": chatPage(
    '<oriel-chat model="/models/demo.gguf" system="You are a helpful assistant." device="cpu"></oriel-chat>',
  ),
  "/broken.html": chatPage('<oriel-chat model="/nowhere.gguf"></oriel-chat>'),
};
const { server, open } = await start(after, { device: undefined, instead });

const QUESTION = "What is the capital of France?";

test("the pipeline: transformers.js' lines stream what they return, and an interruption keeps what there is", async () => {
  const page = await open("blank.html");
  const { told, texts, streamed, full, plain, cut } = await page.evaluate(async (question) => {
    const { InterruptableStoppingCriteria, TextStreamer, pipeline } = await import("/oriel/pipeline.js");
    const told = [];
    const progress_callback = ({ status }) => told.includes(status) || told.push(status);
    const source = new URL("/models/demo.gguf", location.href).href;
    const generator = await pipeline("text-generation", source, { device: "wasm", progress_callback });
    const messages = [{ role: "user", content: question }];
    const texts = [];
    const options = { max_new_tokens: 32, do_sample: false };
    const callback_function = (text) => texts.push(text);
    const streamer = new TextStreamer(generator.tokenizer, { skip_prompt: true, callback_function });
    const [{ generated_text: turns }] = await generator(messages, { ...options, streamer });
    const plain = (await generator.model.generate(messages, { maxTokens: 32 }).result).text;
    const full = await generator(["The capital of France is", "One, two,"], { ...options, max_new_tokens: 3 });
    const stopping_criteria = new InterruptableStoppingCriteria();
    const interrupting = new TextStreamer(generator.tokenizer, {
      skip_prompt: true,
      callback_function: () => stopping_criteria.interrupt(),
    });
    const [{ generated_text: cut }] = await generator(messages, {
      ...{ ...options, streamer: interrupting, stopping_criteria, return_full_text: false },
    });
    await generator.dispose();
    return { told, texts, streamed: turns, full, plain, cut };
  }, QUESTION);
  assert.deepEqual(told, ["initiate", "download", "progress", "progress_total", "done", "ready"]);
  assert.match(plain, /Paris/);
  assert.deepEqual(streamed, [
    { role: "user", content: QUESTION },
    { role: "assistant", content: plain },
  ]);
  assert.ok(texts.length > 3, `it came in ${texts.length} pieces`);
  assert.equal(texts.join(""), plain);
  assert.match(full[0][0].generated_text, /^The capital of France is ./);
  assert.match(full[1][0].generated_text, /^One, two, ./);
  assert.ok(cut.length > 0 && cut.length < plain.length && plain.startsWith(cut), cut);
  await page.close();
});

test("React: one load under StrictMode, an answer that streams, stops and comes again; all ends with it", async () => {
  const page = await open("blank.html");
  const before = server.requests.length;
  const waitFor = (state) => page.locator(`main${state}`).waitFor({ state: "attached" });
  await page.evaluate(async () => {
    await import("/react-app.js");
    show({ source: "/models/demo.gguf", maxTokens: 32 });
  });
  await waitFor('[data-model="loading"][data-chat="ready"]');
  await waitFor('[data-model="ready"]');
  const count = (name) => server.requests.slice(before).filter((path) => path.endsWith(name)).length;
  assert.deepEqual([count("demo.gguf"), count("worker.js")], [1, 1]);
  assert.deepEqual(await page.evaluate(() => phases.has("fetch") && phases.has("ready")), true);

  const { expected, seen } = await page.evaluate(async (question) => {
    const seen = new Set();
    const shown = () => seen.add(document.querySelector(".assistant")?.textContent);
    new MutationObserver(shown).observe(document.body, { subtree: true, childList: true, characterData: true });
    await chat.send(question);
    const messages = [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: question },
    ];
    return { expected: (await model.generate(messages, { maxTokens: 32 }).result).text, seen: seen.size };
  }, QUESTION);
  assert.match(expected, /Paris/);
  assert.ok(seen > 3, `it was seen to grow ${seen} times`);
  assert.deepEqual(await page.locator("li").allTextContents(), [QUESTION, expected]);

  await page.evaluate(() => show({ source: "/models/demo.gguf", maxTokens: 400 }));
  await page.evaluate(() => void (globalThis.told = chat.send("Tell me a long story.")));
  await page.locator('main[data-chat="streaming"] li:nth-child(4)').waitFor();
  await page.evaluate(() => (chat.stop(), told));
  await waitFor('[data-chat="ready"]');
  const [, , , cut] = await page.locator("li").allTextContents();
  await page.evaluate(() => show({ source: "/models/demo.gguf", maxTokens: 64 }));
  await page.evaluate(() => chat.regenerate());
  const [, , , whole] = await page.locator("li").allTextContents();
  assert.ok(cut.length > 0 && whole.startsWith(cut.slice(0, whole.length)), `${cut} / ${whole}`);

  const ended = await page.evaluate(async () => {
    const [last] = [model, void chat.send("Go on."), root.unmount()];
    await new Promise((done) => setTimeout(done, 20));
    return last.generate("a").result.catch(({ code }) => code);
  });
  assert.equal(ended, "disposed");
  assert.deepEqual([count("demo.gguf"), count("worker.js")], [1, 1]);
  await page.close();
});

test("React: a source that is not there is told, and tried again; without a source nothing is loaded", async () => {
  const page = await open("blank.html");
  const before = server.requests.length;
  const count = () => server.requests.slice(before).filter((path) => path === "/nowhere.gguf").length;
  await page.evaluate(async () => {
    await import("/react-app.js");
    show({ source: null });
  });
  await page.locator('main[data-model="idle"]').waitFor({ state: "attached" });
  await page.evaluate(() => show({ source: "/nowhere.gguf" }));
  await page.locator('main[data-model="error"]').waitFor();
  assert.deepEqual([await page.locator("output").textContent(), count()], ["not-found", 1]);
  await page.evaluate(() => retry());
  await page.locator('main[data-model="error"]').waitFor();
  while (count() < 2) await new Promise((done) => setTimeout(done, 20));
  assert.match(await page.evaluate(() => chat.send("Hi").catch(({ message }) => message)), /the model is not there yet/);
  await page.close();
});

/** What axe, a checker of accessibility, finds that matters. */
async function faults(page) {
  await page.evaluate(await readFile(`${root}node_modules/axe-core/axe.min.js`, "utf8"));
  const { violations } = await page.evaluate(() => axe.run());
  const heavy = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return heavy.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

test("<oriel-chat>: by the keyboard and by buttons, under a strict policy, with nothing that axe objects to", async () => {
  const page = await open("chat.html");
  const heard = complaints(page);
  const before = server.requests.length;
  const [log, field] = [page.getByRole("log", { name: "Conversation" }), page.getByRole("textbox", { name: "Message" })];
  const [send, stop] = ["Send", "Stop"].map((name) => page.getByRole("button", { name }));
  await page.evaluate(() => {
    globalThis.element = document.querySelector("oriel-chat");
    globalThis.answered = async () => {
      const event = await new Promise((done) => element.addEventListener("oriel-answer", done, { once: true }));
      return event.detail.messages;
    };
    element.addEventListener("oriel-ready", ({ detail }) => (globalThis.model = detail.model));
  });
  assert.equal(await send.isDisabled(), true);
  await page.getByRole("progressbar", { name: "Loading the model" }).waitFor();
  await page.waitForFunction(() => element.status === "ready");

  await field.fill("What is");
  await field.press("Shift+Enter");
  assert.equal(await field.inputValue(), "What is\n");
  await field.fill(QUESTION);
  const whole = page.evaluate(() => answered());
  await field.press("Enter");
  assert.equal(await field.inputValue(), "");
  const messages = await whole;
  const expected = await page.evaluate(async (question) => {
    const system = { role: "system", content: "You are a helpful assistant." };
    return (await model.generate([system, { role: "user", content: question }]).result).text;
  }, QUESTION);
  assert.match(expected, /Paris/);
  assert.deepEqual(messages, [
    { role: "user", content: QUESTION },
    { role: "assistant", content: expected },
  ]);
  assert.equal(await log.locator('[part~="assistant"]').textContent(), `Answer: ${expected}`);
  assert.equal(await log.getAttribute("aria-busy"), "false");
  assert.deepEqual(await faults(page), []);

  await field.fill("Tell me a long story.");
  await send.click();
  await log.locator('[part~="assistant"]').nth(1).waitFor();
  assert.equal(await log.getAttribute("aria-busy"), "true");
  const cut = page.evaluate(() => answered());
  await stop.click();
  assert.ok((await cut)[3].content.length > 0);
  assert.equal(await page.evaluate(() => element.shadowRoot.activeElement?.localName), "textarea");

  const ended = await page.evaluate(async () => {
    const soon = () => new Promise((done) => setTimeout(done, 20));
    document.body.append(element);
    await soon();
    const moved = element.status;
    element.remove();
    await soon();
    return [moved, await model.generate("a").result.catch(({ code }) => code)];
  });
  assert.deepEqual(ended, ["ready", "disposed"]);
  const loads = server.requests.slice(before).filter((path) => path.endsWith("demo.gguf"));
  assert.ok(loads.length <= 1, "it was loaded again");
  assert.deepEqual(heard, []);
  await page.close();
});

test("<oriel-chat>: an error is an alert with a button; it takes the page's colours and parts", async () => {
  const page = await open("broken.html");
  const alert = page.getByRole("alert");
  await alert.filter({ hasText: "nowhere.gguf" }).waitFor();
  assert.deepEqual(await faults(page), []);
  const count = () => server.requests.filter((path) => path === "/nowhere.gguf").length;
  const before = count();
  await alert.getByRole("button", { name: "Try again" }).click();
  while (count() === before) await new Promise((done) => setTimeout(done, 20));
  const colour = await page.evaluate(() => {
    const element = document.querySelector("oriel-chat");
    element.style.setProperty("--oriel-accent", "rgb(1, 2, 3)");
    return getComputedStyle(element.shadowRoot.querySelector('[part="send"]')).backgroundColor;
  });
  assert.equal(colour, "rgb(1, 2, 3)");
  await page.evaluate(() => document.querySelector("oriel-chat").removeAttribute("model"));
  await page.getByRole("status").filter({ hasText: "No model is named yet." }).waitFor();
  await page.close();
});

test("LanguageModel: from a download that is told of to answers, streamed, counted, cloned and given up", async () => {
  const page = await open("blank.html");
  const outcome = await page.evaluate(async (question) => {
    const { install } = await import("/oriel/prompt-api.js");
    const target = {};
    const source = new URL("/models/demo.gguf", location.href).href;
    const [first, second] = [install(target, source, { device: "cpu" }), install(target, source)];
    const { LanguageModel } = target;
    const before = await LanguageModel.availability({ expectedInputs: [{ type: "text", languages: ["en"] }] });
    const shares = [];
    const monitor = (target) => target.addEventListener("downloadprogress", ({ loaded }) => shares.push(loaded));
    const initialPrompts = [{ role: "system", content: "You are a helpful assistant." }];
    const creating = LanguageModel.create({ initialPrompts, monitor });
    const during = await LanguageModel.availability();
    const session = await creating;
    const after = await LanguageModel.availability();
    const usage = [session.contextUsage, await session.measureContextUsage(question)];
    const clone = await session.clone();
    const whole = await session.prompt(question);
    usage.push(session.contextUsage);
    const pieces = [];
    for await (const piece of clone.promptStreaming(question)) pieces.push(piece);
    const abort = new AbortController();
    const cut = session.prompt("Tell me a long story.", { signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    const aborted = await cut.catch(({ name }) => name);
    const left = session.contextUsage === usage[2];
    const quota = await session.prompt("word ".repeat(session.contextWindow)).catch((error) => [
      ...[error.name, error.requested > error.quota, error.quota === session.contextWindow],
    ]);
    session.destroy();
    const still = await clone.prompt("And of Italy?");
    clone.destroy();
    return { first, second, before, during, after, shares, usage, whole, pieces, aborted, left, quota, still };
  }, QUESTION);
  assert.deepEqual([outcome.first, outcome.second], [true, false]);
  assert.deepEqual([outcome.before, outcome.during, outcome.after], ["downloadable", "downloading", "available"]);
  const { shares } = outcome;
  assert.deepEqual([shares[0], shares.at(-1), shares.length > 3], [0, 1, true]);
  assert.deepEqual(shares.toSorted((a, b) => a - b), shares);
  const [begun, more, answered] = outcome.usage;
  assert.ok(begun > 5 && more > 7 && answered > begun + more, String(outcome.usage));
  assert.match(outcome.whole, /Paris/);
  assert.equal(outcome.pieces.join(""), outcome.whole);
  assert.ok(outcome.pieces.length > 3);
  assert.deepEqual([outcome.aborted, outcome.left], ["AbortError", true]);
  assert.deepEqual(outcome.quota, ["QuotaExceededError", true, true]);
  assert.ok(outcome.still.length > 0);
  await page.close();
});

test("everything came from the page's own server", () => {
  for (const name of ["index", "pipeline", "element", "prompt-api", "worker"]) {
    assert.ok(server.requests.includes(`/oriel/${name}.js`), name);
  }
});
