// The benchmark's page: a tiny model is timed, drawn and handed out as JSON; what does not fit is said; a stop stops.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { complaints, start, state } from "./browser.mjs";

const golden = fileURLToPath(new URL("../golden/llama", import.meta.url));
const pictures = fileURLToPath(new URL("../../target/page/", import.meta.url));
const { server, open } = await start(after, { hub: { "tiny/llama": golden } });
await mkdir(pictures, { recursive: true });

/** The page with a small model in it. */
async function ready(options) {
  const page = await open("bench.html", options);
  await page.fill("#address", `${server.address}hub/tiny/llama/resolve/main/`);
  await page.click("#load-address");
  await state(page, "ready");
  return page;
}

async function ask(page, { prefill, decode, newTokens, runs, roofline = false }) {
  await page.setChecked('#sizes [name="roofline"]', roofline);
  for (const [name, value] of Object.entries({ prefill, decode, newTokens, runs })) {
    await page.fill(`#sizes [name="${name}"]`, String(value));
  }
  await page.click("#start");
}

const KEYS = [
  "model, date, browser, load_ms, wasm_bytes, architecture, adapter, tuning, formats, weight_bytes, runs, new_tokens",
  "prefill_tokens_per_s, first_token_ms, decode_tokens_per_s, dispatches_per_token, submits_per_token",
  "readbacks_per_token, buffers_created_per_token, bind_groups_created_per_token, weight_bytes_read_per_token",
  "weight_read_ratio, gpu_bytes, gpu_bytes_peak, prefill, decode",
].flatMap((names) => names.split(", "));

test("a model is timed, drawn, and handed out", async () => {
  const page = await ready({ viewport: { width: 1280, height: 1400 } });
  const heard = complaints(page);
  await ask(page, { prefill: "8, 512, 32", decode: "16, 60", newTokens: 4, runs: 2, roofline: true });
  await page.locator("#exports").waitFor({ timeout: 120_000 });
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  assert.match(download.suggestedFilename(), /^oriel-.*\.json$/);
  const report = JSON.parse(await readFile(await download.path(), "utf8"));
  assert.deepEqual(
    KEYS.filter((key) => !(key in report)),
    [],
  );
  assert.equal(report.architecture, "llama");
  assert.deepEqual([report.buffers_created_per_token, report.bind_groups_created_per_token], [0, 0]);
  assert.ok(report.weight_read_ratio <= 1.05);
  for (const row of [...report.prefill, ...report.decode]) {
    assert.equal(row.tokens_per_s === null, row.tokens === 512);
    assert.equal(row.reason === null, row.tokens !== 512);
  }
  assert.equal(await page.locator(".chart circle").count(), 8, "each run is drawn");
  assert.match(await page.locator("#charts").innerText(), /512 tokens\s+not measured: .* context of 96/);
  const facts = await page.locator("#facts").innerText();
  assert.ok(facts.includes(report.adapter.variants), "the variants are shown");
  const { probes, passes } = report.roofline;
  assert.ok(probes.read_bytes_per_s > 1e6 && probes.weights_per_s.q4 > 1e6 && probes.packed_per_s > 1e6);
  assert.equal(
    passes[0].kernels.reduce((sum, { times }) => sum + times, 0),
    report.dispatches_per_token,
    "every dispatch of a token is held against a limit",
  );
  assert.equal(await page.locator("#kernels tbody tr").count(), passes[0].kernels.length);
  await page.screenshot({ path: `${pictures}bench.png`, fullPage: true });
  assert.deepEqual(heard, []);
  await page.close();
});

test("kernels are shown where the report holds them against limits", async () => {
  const page = await open("bench.html");
  const shown = await page.evaluate(async () => {
    const { showKernels } = await import("./bench-report.js");
    const root = document.querySelector("#kernels");
    document.querySelector("#results").hidden = false;
    const matvec = { kernel: "matvec", format: "q4", shape: "1 x 576 -> 1536", us: 812.5, times: 30, time_share: 0.5 };
    const argmax = { kernel: "argmax", format: null, shape: "1 x 1", us: 40, times: 1, time_share: 0.001 };
    showKernels(root, [
      { ...matvec, bound: "bandwidth", share: 0.62 },
      { ...argmax, bound: "dispatch", share: 1.25 },
    ]);
    return root.innerText;
  });
  assert.match(shown, /matvec\s+q4\s+1 x 576 -> 1536\s+813\s+30\s+50\.0 %\s+bandwidth\s+62 %/);
  assert.match(shown, /argmax\s+1 x 1\s+40\.0\s+1\s+0\.1 %\s+dispatch\s+125 %/);
  await page.close();
});

test("a measurement can be stopped and begun again, and refused sizes are said", async () => {
  const page = await ready();
  await ask(page, { prefill: "16", decode: "16", newTokens: 20, runs: 1000 });
  await state(page, "measuring");
  await page.locator(".chart circle").nth(2).waitFor({ state: "attached" });
  await page.click("#stop");
  await state(page, "ready");
  assert.ok(await page.locator("#notice").isHidden());
  await ask(page, { prefill: "4000", decode: "4000", newTokens: 2, runs: 1 });
  await page.locator('#notice[data-code="context-full"]').waitFor();
  await ask(page, { prefill: "4", decode: "4", newTokens: 2, runs: 1 });
  await page.locator("#exports").waitFor();
  assert.ok(await page.locator("#notice").isHidden());
  await page.close();
});

test("nothing overflows on a phone", async () => {
  const page = await ready({ viewport: { width: 360, height: 740 } });
  await ask(page, { prefill: "8, 512", decode: "16", newTokens: 4, runs: 2 });
  await page.locator("#exports").waitFor();
  const overflow = await page.evaluate(() =>
    [...document.querySelectorAll("body *")]
      .filter((element) => !element.closest(".unseen, .skip, svg, .scroller") && element.checkVisibility())
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
      .map((element) => element.outerHTML.slice(0, 80)),
  );
  assert.deepEqual(overflow, []);
  await page.screenshot({ path: `${pictures}bench-phone.png`, fullPage: true });
  await page.close();
});

test("the page of the chat leads there and back", async () => {
  const page = await open("");
  await page.click('a[href="bench.html"]');
  await page.locator("#start").waitFor();
  await page.click("h1 a");
  await page.locator("#prompt").waitFor();
  await page.close();
});
