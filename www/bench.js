// The benchmark's page: a model is chosen, timed on the visitor's own graphics card, drawn, and handed out as JSON.

import { OrielError, load } from "./oriel/index.js";
import { Chart } from "./bench-chart.js";
import { showFacts, showKernels } from "./bench-report.js";
import { Chooser } from "./chooser.js";
import { DEMO } from "./demo.js";
import { deviceOptions, placeOf } from "./device.js";
import { LOST, Notice } from "./notice.js";
import { ProgressView } from "./progress.js";

const find = (selector) => document.querySelector(selector);
const [form, start, stop] = ["#sizes", "#start", "#stop"].map(find);

const notice = new Notice("#start");
const progress = new ProgressView("#start");
const chooser = new Chooser({ onChoose: (choice) => void bring(choice ?? DEMO) });

/** The model in use with how long it took to load, and what ends the load or the measurement that is going on. */
let model, loadMs, controller;
/** The newest report, as it is handed out. */
let json = "";

/** `idle`, `loading`, `ready` or `measuring`: the look of the page follows it. */
function enter(state) {
  document.body.dataset.state = state;
  start.disabled = state !== "ready";
  start.hidden = state === "measuring";
  stop.hidden = state !== "measuring";
  find("#measuring").hidden = state !== "measuring";
}

/** Loads a model in place of the one before. */
async function bring({ source, name }) {
  notice.hide();
  controller?.abort();
  const own = (controller = new AbortController());
  enter("loading");
  progress.show(name, own);
  chooser.name = name;
  try {
    const old = model;
    model = undefined;
    await old?.dispose();
    const begun = performance.now();
    const onProgress = (report) => progress.report(report);
    const fresh = await load(source, { ...deviceOptions(), signal: own.signal, onProgress });
    if (controller !== own) return void (await fresh.dispose());
    loadMs = performance.now() - begun;
    model = fresh;
    chooser.loaded(name, model.info);
    enter("ready");
    start.focus();
  } catch (error) {
    if (controller !== own) return;
    chooser.name = undefined;
    enter("idle");
    notice.show(error);
  }
  progress.hide();
}

/** Times the model, drawing each run as it ends, and shows the report. */
async function measure() {
  notice.hide();
  const own = (controller = new AbortController());
  const { prefill, decode, ...rest } = sizes();
  const charts = {
    prefill: new Chart("Prefill", prefill.map(titles.prefill), "accent"),
    decode: new Chart("Decode", decode.map(titles.decode), "light"),
  };
  find("#charts").replaceChildren(charts.prefill.root, charts.decode.root);
  for (const part of ["#exports", "#facts", "#kernels"]) find(part).hidden = true;
  find("#results").hidden = false;
  enter("measuring");
  try {
    const onProgress = (step) => {
      follow(step);
      if (step.tokens_per_s) charts[step.phase].add(titles[step.phase](step.tokens), step.tokens_per_s);
    };
    const report = await model.benchmark({ prefill, decode, ...rest, signal: own.signal, onProgress });
    for (const row of report.prefill) charts.prefill.set(titles.prefill(row.tokens), row.tokens_per_s, row.reason);
    for (const row of report.decode) charts.decode.set(titles.decode(row.positions), row.tokens_per_s, row.reason);
    const around = { model: chooser.name, date: new Date().toISOString(), browser: navigator.userAgent };
    handOut({ ...around, place: placeOf(model.info), load_ms: loadMs, ...report });
  } catch (error) {
    if (own !== controller) return;
    notice.show(error);
    if (LOST.has(error.code)) {
      void model.dispose();
      model = chooser.name = undefined;
    }
  }
  if (own === controller) enter(model ? "ready" : "idle");
}

const titles = { prefill: (tokens) => `${tokens} tokens`, decode: (positions) => `at ${positions}` };

/** What the form asks for. */
function sizes() {
  const { prefill, decode, newTokens, runs, roofline } = form.elements;
  const list = ({ value }) => [...new Set(value.split(",").map(Number))].sort((a, b) => a - b);
  return {
    prefill: list(prefill),
    decode: list(decode),
    newTokens: newTokens.valueAsNumber,
    runs: runs.valueAsNumber,
    roofline: roofline.checked,
  };
}

const PHASES = {
  "warm-up": () => "Warming up",
  prefill: ({ tokens, run, runs }) => `A prompt of ${tokens} tokens, run ${run} of ${runs}`,
  fill: ({ tokens }) => `Filling the cache with ${tokens} positions`,
  decode: ({ tokens, run, runs }) => `An answer after ${tokens} positions, run ${run} of ${runs}`,
  probe: () => "What this adapter gives at best",
  roofline: ({ tokens }) => `The kernels of a pass of ${tokens} ${tokens === 1 ? "token" : "tokens"}`,
};

/** Shows how far the measurement has come. */
function follow(step) {
  const share = step.done / step.total;
  const track = find("#measured");
  track.setAttribute("aria-valuenow", Math.floor(share * 100));
  track.firstElementChild.style.setProperty("--share", share);
  find("#step").textContent = PHASES[step.phase](step);
}

/** Shows the rest of a report, and makes it available. */
function handOut(report) {
  json = JSON.stringify(report, null, 2);
  showFacts(find("#facts"), report);
  showKernels(find("#kernels"), report.roofline?.passes[0].kernels);
  const download = find("#download");
  URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(new Blob([json], { type: "application/json" }));
  download.download = `oriel-${report.model}-${report.adapter.name}.json`.replace(/[^\w.]+/g, "-");
  find("#exports").hidden = false;
  say("The measurement has ended.");
}

/** Tells screen readers. */
function say(text) {
  find("#said").textContent = text;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (document.body.dataset.state === "ready") void measure();
});
stop.addEventListener("click", () => controller?.abort());
find("#copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(json);
    say("Copied.");
    find("#copy").textContent = "Copied";
    setTimeout(() => (find("#copy").textContent = "Copy JSON"), 2000);
  } catch {
    notice.show(new OrielError("option", "the browser does not let this page copy: download the JSON instead"));
  }
});
