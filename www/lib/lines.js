// Values as they come -> lines over the last minute. Bundled with uPlot by build.mjs; fetched with the charts' panel.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const HEIGHT = 140;

/**
 * Draws `series` (`{ label, color }`, the color a custom property's name) of what `add` is given, the newest at the right;
 * `format` makes text of a value. The sign of what is drawn is for eyes: whoever calls says it in words as well.
 */
export function lines(root, { series, format, span, label }) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => () => style.getPropertyValue(name).trim();
  const data = [[], ...series.map(() => [])];
  const grid = { stroke: color("--line"), width: 1 };
  const axis = { stroke: color("--soft"), grid, ticks: { show: false }, font: "11px sans-serif" };
  const drawn = series.map(({ label, color: name }) => ({
    label,
    stroke: color(name),
    width: 2,
    points: { show: false },
    value: (_, value) => (value === null || value === undefined ? "–" : format(value)),
  }));
  const chart = new uPlot(
    {
      width: Math.max(root.clientWidth, 160),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1] } },
      axes: [
        { ...axis, size: 24, values: (_, at) => at.map((second) => (second === 0 ? "now" : `${second} s`)) },
        { ...axis, size: 52, values: (_, at) => at.map(format) },
      ],
      series: [{}, ...drawn],
    },
    data,
    root,
  );
  chart.root.setAttribute("role", "img");
  new ResizeObserver(() => chart.setSize({ width: Math.max(root.clientWidth, 160), height: HEIGHT })).observe(root);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw(false, true));
  chart.root.setAttribute("aria-label", label);
  return {
    /** Values of one moment, in the page's seconds; null where a series has none. */
    add(now, values) {
      data[0].push(now);
      values.forEach((value, place) => data[place + 1].push(value));
      while (data[0][0] < now - span) for (const row of data) row.shift();
      chart.setData([data[0].map((at) => at - now), ...data.slice(1)], false);
      chart.setScale("x", { min: -span, max: 0 });
    },
  };
}
