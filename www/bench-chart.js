// Rows of runs -> bars in SVG: a bar as long as the median, a line from the least to the greatest, a dot for each run.
//
// A few rectangles need no library: what a chart library brings for axes and animation would weigh more than the page.

import { make } from "./elements.js";
import { rate } from "./format.js";

/** As many ticks as an axis has at most. */
const MOST_TICKS = 6;

/** One group of rows on one scale. */
export class Chart {
  #root = document.createElement("figure");
  #rows = document.createElement("table");
  /** Title -> `{ points, spread, reason }` */
  #data;

  /** `titles` are the rows', in order; `tone` is `accent` or `light`. */
  constructor(caption, titles, tone) {
    this.#root.className = `chart ${tone}`;
    const heading = document.createElement("figcaption");
    heading.append(`${caption} `, make("small", {}, "tokens a second"));
    this.#root.append(heading, this.#rows);
    this.#data = new Map(titles.map((title) => [title, { points: [] }]));
    this.#draw();
  }

  get root() {
    return this.#root;
  }

  /** A run has ended. */
  add(title, value) {
    this.#data.get(title)?.points.push(value);
    this.#draw();
  }

  /** What the runs of a row came to, or why there are none. */
  set(title, spread, reason) {
    Object.assign(this.#data.get(title), { spread, reason });
    this.#draw();
  }

  #draw() {
    const values = [...this.#data.values()].flatMap(({ points, spread }) => [...points, spread?.max ?? 0]);
    const ticks = ticksUpTo(Math.max(...values));
    const most = ticks.at(-1);
    this.#rows.replaceChildren(...[...this.#data].map(([title, row]) => line(title, row, most)), axis(ticks));
  }
}

/** A row of the table: title, bar, figures. */
function line(title, { points, spread, reason }, most) {
  const row = document.createElement("tr");
  row.append(make("th", { scope: "row" }, title));
  if (reason) {
    row.append(make("td", { colSpan: 2, className: "hint" }, `not measured: ${reason}`));
    return row;
  }
  const middle = spread?.median ?? median(points);
  const figure = document.createElement("td");
  if (middle !== undefined) figure.append(make("strong", {}, rate(middle)));
  if (spread && points.length > 1) {
    figure.append(make("span", { className: "hint" }, ` ${rate(spread.min)}–${rate(spread.max)}`));
  }
  row.append(make("td", { className: "drawn" }), figure);
  row.children[1].append(bar(middle, spread, points, most));
  return row;
}

function bar(middle, spread, points, most) {
  const at = (value) => `${(value / most) * 100}%`;
  const drawn = svg("svg", { "aria-hidden": "true" });
  drawn.append(svg("rect", { class: "ground", y: "25%", width: "100%", height: "50%", rx: 4 }));
  if (middle !== undefined) {
    drawn.append(svg("rect", { class: "median", y: "25%", width: at(middle), height: "50%", rx: 4 }));
  }
  if (spread) {
    drawn.append(svg("line", { class: "spread", x1: at(spread.min), x2: at(spread.max), y1: "50%", y2: "50%" }));
  }
  drawn.append(...points.map((value) => svg("circle", { class: "run", cx: at(value), cy: "50%", r: 3.5 })));
  return drawn;
}

function axis(ticks) {
  const row = make("tr", { "aria-hidden": "true" });
  const drawn = svg("svg", { class: "axis" });
  for (const tick of ticks) {
    const x = `${(tick / ticks.at(-1)) * 100}%`;
    drawn.append(svg("line", { class: "tick", x1: x, x2: x, y1: 0, y2: 5 }));
    const label = svg("text", { x, y: 18 });
    label.textContent = String(tick);
    drawn.append(label);
  }
  row.append(...["td", "td", "td"].map((cell) => make(cell)));
  row.children[1].append(drawn);
  return row;
}

/** 0 and multiples of 1, 2 or 5 times a power of ten, the last one at least `most`. */
export function ticksUpTo(most) {
  if (!(most > 0)) return [0, 1];
  const rough = most / (MOST_TICKS - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
  const count = Math.ceil(most / step);
  // Through a text, as 3 * 0.1 is 0.30000000000000004.
  return Array.from({ length: count + 1 }, (_, place) => Number((place * step).toPrecision(12)));
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
