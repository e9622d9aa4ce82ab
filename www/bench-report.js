// A report -> what it says besides speed: the adapter, the memory, what a token costs, and each kernel's share.

import { make } from "./elements.js";
import { bytes, milliseconds, rate } from "./format.js";

/** Titles, and what stands beside them. What gives nothing is left out. */
const FACTS = {
  "This machine": {
    Adapter: ({ adapter }) => adapter.name,
    Kind: ({ adapter }) => adapter.kind,
    "Runs on": ({ place }) => place,
    Driver: ({ adapter }) => adapter.driver,
    "Kernels chosen": ({ adapter }) => adapter.variants,
    Browser: ({ browser }) => browser,
  },
  "The model": {
    Name: ({ model }) => model,
    Architecture: ({ architecture, layers }) => `${architecture}, ${layers} layers`,
    Weights: ({ formats }) => Object.entries(formats).map(([format, size]) => `${format} ${bytes(size)}`).join(", "),
    Context: ({ context }) => `${context} positions`,
    "Loaded in": ({ load_ms }) => milliseconds(load_ms),
    "First token after": ({ first_token_ms }) => first_token_ms && milliseconds(first_token_ms),
    "On the device, at most": ({ gpu_bytes_peak }) => bytes(gpu_bytes_peak),
    "WebAssembly memory": ({ wasm_bytes }) => bytes(wasm_bytes),
  },
  "What a token takes": {
    Dispatches: ({ dispatches_per_token }) => count(dispatches_per_token),
    Submits: ({ submits_per_token }) => count(submits_per_token),
    "Read-backs": ({ readbacks_per_token }) => count(readbacks_per_token),
    "Buffers made": ({ buffers_created_per_token }) => count(buffers_created_per_token),
    "Bind groups made": ({ bind_groups_created_per_token }) => count(bind_groups_created_per_token),
    "Pipelines made": ({ pipelines_created_per_token }) => count(pipelines_created_per_token),
    "Weights read": ({ weight_bytes_read_per_token: read }) => read && bytes(read),
    "Of all weights": ({ weight_read_ratio: ratio }) => ratio && `${(ratio * 100).toFixed(1)} %`,
  },
};

const count = (number) => number?.toLocaleString("en", { maximumFractionDigits: 2 });

/** Fills the lists of facts. */
export function showFacts(root, report) {
  const lists = Object.entries(FACTS).map(([title, facts]) => {
    const list = document.createElement("dl");
    for (const [name, say] of Object.entries(facts)) {
      const text = say(report);
      if (!text) continue;
      const pair = document.createElement("div");
      pair.append(make("dt", {}, name), make("dd", {}, text));
      list.append(pair);
    }
    const section = document.createElement("section");
    section.append(make("h2", {}, title), list);
    return section;
  });
  root.replaceChildren(...lists);
  root.hidden = false;
}

/** Fills the table of kernels, where they were held against the adapter's limits. */
export function showKernels(root, kernels = []) {
  root.hidden = kernels.length === 0;
  const rows = kernels.map(({ kernel, format, shape, us, times, time_share: time, bound, share }) => {
    const row = document.createElement("tr");
    const percent = `${Math.round(share * 100)} %`;
    const facts = [kernel, format ?? "", shape, rate(us), times, `${(time * 100).toFixed(1)} %`, bound];
    row.append(...facts.map((text) => make("td", {}, text)));
    const cell = document.createElement("td");
    cell.append(make("meter", { min: 0, max: 1, value: Math.min(share, 1), "aria-label": percent }), percent);
    row.append(cell);
    return row;
  });
  root.querySelector("tbody").replaceChildren(...rows);
}
