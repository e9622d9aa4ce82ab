// A profile by the device's own clock -> a timeline of a pass, a lane for each kernel, and a table of what each takes.

import { make } from "./elements.js";
import { gauge } from "./gauge.js";

const SVG = "http://www.w3.org/2000/svg";
const LANE = 22;
const BAR = 14;
/** How wide the timeline is at least at its closest, in widths of the panel. */
const ZOOMS = [1, 4, 16];

/** Few runs: what is looked at is one pass. */
const SIZES = { prefill: [64], decode: [64], newTokens: 2, runs: 1, profile: true };

export function show(root) {
  const hint = "A token and a prompt are run with each dispatch timed by the device’s own clock. It takes a moment.";
  const words = make("p", { className: "hint" }, hint);
  const start = make("button", { type: "button" }, "Time the kernels");
  const result = make("div", { className: "timed" });
  const state = make("p", { role: "status" });
  root.append(words, start, state, result);
  const adjust = () => {
    const { model } = gauge;
    start.disabled = !model?.info.adapter.timestamps;
    state.textContent = !model
      ? "Load a model first."
      : start.disabled
        ? `This device (${model.info.adapter.name}) gives no timestamps, so its kernels can’t be timed one by one.`
        : "";
  };
  gauge.addEventListener("model", adjust);
  adjust();
  start.addEventListener("click", async () => {
    start.disabled = true;
    const onProgress = ({ phase, done, total }) => {
      state.textContent = phase === "profile" ? "Timing each dispatch" : `Getting ready, ${done} of ${total} tokens`;
    };
    try {
      const { profiles } = await gauge.model.benchmark({ ...SIZES, onProgress });
      adjust();
      draw(result, profiles);
    } catch (error) {
      adjust();
      state.textContent = error.message;
    }
  });
}

function draw(root, profiles) {
  const views = profiles.map((profile) => ({ name: passName(profile), profile }));
  const view = make("div");
  const choose = ({ profile }, zoom) => view.replaceChildren(timeline(profile, zoom), table(profile));
  const passes = make("select", { "aria-label": "Pass" }, ...views.map(({ name }) => make("option", {}, name)));
  const steps = ZOOMS.map((zoom) => make("option", { value: zoom }, `${zoom}×`));
  const zooms = make("select", { "aria-label": "Zoom" }, ...steps);
  const again = () => choose(views[passes.selectedIndex], Number(zooms.value));
  passes.addEventListener("change", again);
  zooms.addEventListener("change", again);
  root.replaceChildren(make("div", { className: "choices" }, passes, zooms), view);
  again();
}

const passName = ({ rows, position }) =>
  rows === 1 ? `A token after ${position} others` : `A prompt of ${rows} tokens`;

/** Lanes in the order in which kernels first run; a bar is as long as its dispatch took. */
function timeline({ dispatches, run_us: whole }, zoom) {
  const lanes = [...new Set(dispatches.map(({ kernel }) => kernel))];
  const end = Math.max(...dispatches.map(({ start_us, us }) => start_us + us));
  const width = 1000 * zoom;
  const svg = svgElement("svg", { viewBox: `0 0 ${width} ${lanes.length * LANE}`, preserveAspectRatio: "none" });
  svg.setAttribute("class", `lanes zoom-${zoom}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("height", lanes.length * LANE);
  const said = `${dispatches.length} dispatches over ${duration(end)}; the table below has their sums`;
  svg.setAttribute("aria-label", said);
  for (const { name, kernel, variant, start_us, us } of dispatches) {
    const lane = lanes.indexOf(kernel);
    const [x, y] = [(start_us / end) * width, lane * LANE + (LANE - BAR) / 2];
    const bar = svgElement("rect", { x, y, width: Math.max((us / end) * width, 1), height: BAR, rx: 1 });
    bar.setAttribute("class", `hue-${lane % 6}`);
    const title = svgElement("title", {});
    title.textContent = `${name}: ${kernel} ${variant}, ${duration(us)}, after ${duration(start_us)}`;
    bar.append(title);
    svg.append(bar);
  }
  const titles = lanes.map((title) => make("li", { title }, title));
  const names = make("ol", { className: "lane-names", "aria-hidden": "true" }, ...titles);
  const scroll = make("div", { className: "lanes-scroll", tabIndex: 0, role: "group", "aria-label": "Timeline" });
  scroll.append(svg);
  const words = `${dispatches.length} dispatches over ${duration(end)}; an ordinary run takes ${duration(whole)}.`;
  const sum = make("p", { className: "hint" }, words);
  return make("figure", {}, make("div", { className: "timeline" }, names, scroll), make("figcaption", {}, sum));
}

function table({ kernels }) {
  const head = ["Kernel", "Times", "Each", "Share"].map((name) => make("th", { scope: "col" }, name));
  const rows = kernels.map(({ kernel, format, shape, times, us, time_share }) => {
    const of = make("small", {}, [format, shape].filter(Boolean).join(" "));
    // A long name breaks where its words end.
    const words = kernel.split("_").flatMap((word, place) => (place ? ["_", make("wbr"), word] : [word]));
    const name = make("th", { scope: "row" }, ...words, of);
    const cells = [String(times), duration(us), `${(time_share * 100).toFixed(1)} %`];
    return make("tr", {}, name, ...cells.map((text) => make("td", {}, text)));
  });
  const body = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return make("div", { className: "kernel-table", tabIndex: 0, role: "group", "aria-label": "Kernels" }, body);
}

function svgElement(tag, set) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(set)) element.setAttribute(name, value);
  return element;
}

/** `31 µs`, `4.2 ms` */
function duration(us) {
  if (us < 1000) return `${us < 10 ? us.toFixed(1) : Math.round(us)} µs`;
  return us < 1e6 ? `${(us / 1000).toFixed(us < 1e5 ? 1 : 0)} ms` : `${(us / 1e6).toFixed(1)} s`;
}
