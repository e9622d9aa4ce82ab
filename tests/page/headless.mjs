// The page, asked from a terminal: node headless.mjs ADDRESS PROMPT
//
// Opens the page in headless Chromium, loads the demo model there, types the prompt, and prints the page's own answer
// as the page shows it; then the figures that the page shows.

import { figures, launch, send, state } from "./browser.mjs";

const NAMES = {
  prefill: "prefill",
  decode: "decode",
  "first-token": "first token after",
  context: "context",
  "gpu-bytes": "on the device",
  "wasm-bytes": "WebAssembly memory",
  adapter: "adapter",
  place: "runs on",
};

/** How often the page is looked at, in milliseconds. */
const GLANCE_MS = 50;

const [address, prompt] = process.argv.slice(2);
if (!address || !prompt) {
  console.error("usage: node headless.mjs ADDRESS PROMPT");
  process.exit(2);
}

const browser = await launch();
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.goto(address);
  await page.click("#load-demo");
  await follow(page, async () => {
    const { state, phases, notice } = await page.evaluate(() => ({
      state: document.body.dataset.state,
      phases: [...document.querySelectorAll("#progress [data-now]")].map((phase) => phase.innerText.replace("\n", " ")),
      notice: document.querySelector("#notice:not([hidden])")?.innerText,
    }));
    if (notice) throw new Error(notice);
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${phases.join("; ")}`);
    return state === "ready";
  });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");

  await send(page, prompt);
  await state(page, "answering");
  let shown = 0;
  const last = page.locator('#messages li[data-role="assistant"]').last();
  await follow(page, async () => {
    const [ended, words] = await last.evaluate((item) => [
      item.dataset.state !== "streaming",
      // As the model wrote it: Markdown that is shown may change what stands before.
      item.text,
    ]);
    process.stdout.write(words.slice(shown));
    shown = words.length;
    return ended;
  });
  const notice = page.locator("#notice");
  if (await notice.isVisible()) throw new Error(await notice.innerText());

  console.log("\n");
  for (const [figure, text] of Object.entries(await figures(page))) {
    console.log(`${(NAMES[figure] ?? figure).padEnd(20)}${text}`);
  }
} finally {
  await browser.close();
}

/** Looks again and again until there is nothing more to see. */
async function follow(page, glance) {
  while (!(await glance())) await page.waitForTimeout(GLANCE_MS);
}
