// Answers as Markdown: what a model writes becomes text, lists and code, and never a program, a picture or a request;
// what screen readers are told, and the mode that stays chosen.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { ask, complaints, loadModel, picture, seriousFaults, settings, start } from "./browser.mjs";

const { server, open } = await start(after, { device: "cpu" });
const page = await open("", { viewport: { width: 1280, height: 800 } });
const heard = complaints(page);

/** An answer's elements, of a text that comes a few signs at a time. */
const shown = (text) =>
  page.evaluate(async (text) => {
    const { render } = await import("/markdown.js");
    const root = document.createElement("div");
    for (let end = 0; end <= text.length; end += 3) render(root, text.slice(0, end));
    const first = root.firstElementChild;
    render(root, text);
    return { html: root.innerHTML, kept: first === root.firstElementChild };
  }, text);

test("headings, lists, tables and code are shown, and a block that stands is left as it is", async () => {
  const text = "# Sums\n\nA **list**:\n\n1. one\n2. two\n\n```js\nconst a = 1 < 2;\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |\n";
  const { html, kept } = await shown(text);
  for (const part of ["<h3>Sums</h3>", "<strong>list</strong>", "<ol>", "const a = 1 &lt; 2;", "<td>1</td>", ">js<"]) {
    assert.ok(html.includes(part), `${part} in ${html}`);
  }
  assert.match(html, /<button[^>]*aria-label="Copy the code"/);
  assert.ok(kept);
});

test("nothing in an answer runs, is fetched, or leads to a program", async () => {
  const { html } = await shown(
    '<img src="/leak.png" onerror="alert(1)"> <script>alert(1)</script>\n\n![pixel](/leak.png) [a](javascript:alert(1)) ' +
      '[b](https://example.org/ "c")\n\n<iframe src="/leak.html"></iframe>\n\n```"><img/src=/leak.png>\nx\n```\n',
  );
  assert.doesNotMatch(html, /<(img|script|iframe)|href="javascript/i);
  assert.match(html, /pixel/);
  assert.match(html, /<a [^>]*href="https:\/\/example\.org\/"[^>]*>b<\/a>/);
  assert.match(html, /rel="noopener noreferrer"/);
  assert.ok(!server.requests.some((path) => path.includes("leak")), "something was asked for");
});

test("lines of a list, and sentences without spaces between them, are said as they end", async () => {
  const said = await page.evaluate(async () => {
    const { Announcer } = await import("/announcer.js");
    const announcer = new Announcer();
    announcer.clear();
    const spoken = () => [...document.querySelectorAll("#announcer p")].map(({ textContent }) => textContent);
    const outcomes = [];
    for (const text of ["- one\n- tw", "今日は。明日", "It is 3.", "5 and. Then"]) {
      announcer.add(text);
      outcomes.push(spoken().at(-1));
    }
    announcer.end();
    const all = spoken();
    announcer.clear();
    return { outcomes, all };
  });
  assert.deepEqual(said.outcomes, ["- one", "- tw今日は。", "- tw今日は。", "明日It is 3.5 and."]);
  assert.equal(said.all.at(-1), "Then");
});

test("Complete stays chosen when the model comes, and a real answer is Markdown", async () => {
  await page.check('input[name="mode"][value="complete"]', { force: true });
  await loadModel(page, `${server.address}models/demo.gguf`);
  assert.ok(await page.isChecked('input[name="mode"][value="complete"]'));
  await page.check('input[name="mode"][value="chat"]', { force: true });
  await settings(page, { maxTokens: 160 });
  await ask(page, "Write a Python function that reverses a string, in a code block.");
  await page.locator(".words.markdown .code pre").first().waitFor();
  await picture(page, "markdown");
});

test("axe finds no serious fault, by day and by night, wide and narrow", async () => {
  const looks = ["light", "dark"].flatMap((colorScheme) => [1280, 390].map((width) => ({ colorScheme, width })));
  for (const { colorScheme, width } of looks) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 800 });
    assert.deepEqual(await seriousFaults(page), [], `${colorScheme}, ${width} pixels wide`);
    await picture(page, `chat-${colorScheme}-${width}`);
  }
  assert.deepEqual(heard, []);
});
