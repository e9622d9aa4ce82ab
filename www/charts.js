// Tokens and bytes as they come and go -> two live charts, of tokens a second and of memory.

import { make } from "./elements.js";
import { bytes, rate } from "./format.js";
import { gauge } from "./gauge.js";
import { lines } from "./lines.js";

/** Seconds that a chart shows. */
const SPAN = 60;
const EVERY_MS = 250;
/** Tokens are counted over this long. */
const WINDOW_MS = 1000;
/** Memory changes seldom, and asking costs the engine a turn. */
const MEMORY_EVERY = 4;

/** What is held where: by name, with its color and where it comes from. */
const MEMORY = [
  { label: "On the device", color: "--accent", of: (memory) => memory && (memory.processorBytes || memory.gpuBytes) },
  { label: "The engine’s WebAssembly", color: "--light", of: (memory) => memory?.wasmBytes },
  { label: "This page’s script", color: "--soft", of: () => performance.memory?.usedJSHeapSize },
];

export function show(root) {
  looksOfLines();
  const details = root.closest("details");
  const pacing = (value) => (value < 10 ? rate(value) : value.toFixed(0));
  const speed = chart(root, "Tokens a second", [{ label: "Tokens a second", color: "--accent" }], pacing);
  // Only Chromium tells pages of their script's memory.
  const kinds = MEMORY.filter(({ of }) => of !== MEMORY[2].of || performance.memory);
  const held = chart(root, "Memory", kinds, bytes);
  let turn = 0;
  let memory;
  const ask = async () => {
    const { model } = gauge;
    // A model that goes away meanwhile holds nothing.
    const answer = await model?.memory().catch(() => undefined);
    memory = model === gauge.model ? answer : undefined;
  };
  gauge.addEventListener("model", () => (memory = undefined));
  const tick = () => {
    if (!details.open || document.hidden) return;
    const now = performance.now();
    if (turn++ % MEMORY_EVERY === 0) void ask();
    speed.add(now / 1000, [pace(now)]);
    held.add(now / 1000, kinds.map(({ of }) => of(memory) ?? null));
  };
  setInterval(tick, EVERY_MS);
  tick();
}

/** Tokens of the last second, once there was one. */
function pace(now) {
  const { times } = gauge;
  const lately = times.filter((time) => time > now - WINDOW_MS).length;
  const since = times.length > 0 ? Math.min(WINDOW_MS, now - times[0]) : WINDOW_MS;
  return since < EVERY_MS ? 0 : (lately / since) * 1000;
}

/** A chart with its title and, for each line, a name and the newest value in words. */
function chart(root, title, series, format) {
  const values = series.map(() => make("dd", {}, "–"));
  const legend = make("dl", { className: "legend" });
  series.forEach(({ label, color }, place) => {
    const key = make("i", { className: `key ${color.slice(2)}`, "aria-hidden": "true" });
    legend.append(make("div", {}, make("dt", {}, key, label), values[place]));
  });
  const plot = make("div", { className: "plot" });
  root.append(make("section", {}, make("h3", {}, title), plot, legend));
  const drawn = lines(plot, { series, format, span: SPAN, label: `${title}, over the last minute` });
  return {
    add(now, given) {
      drawn.add(now, given);
      given.forEach((value, place) => (values[place].textContent = value === null ? "–" : format(value)));
    },
  };
}

/** The library's own style sheet stands beside its module. */
function looksOfLines() {
  document.head.append(make("link", { rel: "stylesheet", href: "lines.css" }));
}
