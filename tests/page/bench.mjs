// The benchmark in a browser, as `cargo xtask bench` runs it: node bench.mjs BROWSER ADDRESS MODEL OPTIONS
//
// Opens the page, asks the package beside it to load the model and to measure, and prints the report as JSON,
// with how long the load took.

import { launch } from "./browser.mjs";
import { WEBGPU, launchFirefox } from "./firefox.mjs";

const BROWSERS = { chromium: () => launch(), firefox: () => launchFirefox(WEBGPU) };

const [name, address, model, options] = process.argv.slice(2);
if (!BROWSERS[name] || !options) {
  console.error(`usage: node bench.mjs ${Object.keys(BROWSERS).join("|")} ADDRESS MODEL OPTIONS`);
  process.exit(2);
}

const browser = await BROWSERS[name]();
try {
  const page = await browser.newPage();
  await page.goto(address);
  await page.exposeFunction("tell", (text) => console.error(`${name}: ${text}`));
  const report = await page.evaluate(measure, { model, ...JSON.parse(options) });
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}

/** Runs in the page. What it tells, it tells between runs, so as not to disturb them. */
async function measure({ model: source, precision, device, ...sizes }) {
  const { load } = await import(new URL("oriel/index.js", location.href));
  const begun = performance.now();
  const model = await load(source, { precision, device });
  const load_ms = performance.now() - begun;
  let last;
  const onProgress = ({ phase, tokens, run, runs }) => {
    const text = `${phase} ${tokens}, run ${run} of ${runs}`;
    if (text !== last) globalThis.tell((last = text));
  };
  const report = await model.benchmark({ ...sizes, onProgress });
  await model.dispose();
  return { ...report, load_ms, browser: navigator.userAgent };
}
