// Notes of requests -> the privacy panel: every request since the page opened, what it carried, and what can't be seen.

import { make } from "./elements.js";
import { bytes } from "./format.js";
import { kept } from "./keep.js";
import { requests } from "./requests.js";

/** At most this many rows are shown; the sums are of all. */
const MOST_ROWS = 200;

/** Why something was asked for, by how its file's name ends. */
const REASONS = {
  html: "a page",
  css: "how the page looks",
  js: "the page’s program",
  svg: "a picture",
  png: "a picture",
  webmanifest: "what installs the page",
};

const CAN_NOT = [
  "What browser extensions and the browser itself ask for.",
  "Where a server sent a request on to another: the browser tells the first address only.",
  "Sizes from a host that keeps them from other pages; they are marked “not told”.",
  "Whether the service worker took one of the page’s files from the network or from what it keeps.",
  "What a body says that is neither text nor a form: a file, bytes, a stream.",
  "A download that has yet to end, or that ended with its worker.",
  "Headers, such as your address and your browser’s name, which every request has. This page adds no cookies.",
];

export function show(root) {
  const verdict = make("p", { className: "verdict" });
  const sums = make("dl", { className: "sums" });
  const hosts = make("div", { className: "hosts" });
  const limits = make("details", { className: "limits" }, make("summary", {}, "What this list can’t see"));
  limits.append(make("ul", {}, ...CAN_NOT.map((text) => make("li", {}, text))));
  const keeping = make("p", { className: "hint" });
  const without = "This browser has the page’s own files now: it opens without a network, too.";
  void kept.then((why) => (keeping.textContent = why ? `Without a network the page does not open: ${why}.` : without));
  root.append(verdict, sums, hosts, keeping, limits);
  let due = false;
  const draw = () => {
    due = false;
    verdict.replaceChildren(...judge());
    verdict.dataset.leaks = requests.leaks.length;
    sums.replaceChildren(...summed());
    hosts.replaceChildren(...groups());
  };
  const soon = () => {
    if (!due) requestAnimationFrame(draw);
    due = true;
  };
  requests.addEventListener("change", soon);
  // What is said counts as typed at once.
  new MutationObserver(soon).observe(document.querySelector("#messages"), { childList: true });
  draw();
}

function judge() {
  const { leaks, typed, notes } = requests;
  if (leaks.length > 0) {
    const what = leaks.length === 1 ? "A request carried" : `${leaks.length} requests carried`;
    return [make("strong", {}, `${what} something that you typed.`), " See below, in colour."];
  }
  const compared =
    typed.length === 0
      ? "Nothing was typed yet. "
      : `Each was compared with ${typed.length === 1 ? "the text" : `the ${typed.length} texts`} that you sent. `;
  const bodies = notes.filter(({ sent }) => sent !== 0).length;
  const carried = bodies === 0 ? "None had a body: they asked, and sent nothing." : `${count(bodies)} had a body.`;
  return [make("strong", {}, "No request carried what you typed."), ` ${compared}${carried}`];
}

function summed() {
  const { notes } = requests;
  const received = notes.reduce((sum, note) => sum + (note.received ?? 0), 0);
  const sent = notes.reduce((sum, note) => sum + (note.sent ?? 0), 0);
  const facts = { Requests: String(notes.length), Received: bytes(received), "Sent in bodies": bytes(sent) };
  return Object.entries(facts).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
}

/** A list for each host, this page's own first, with the newest request on top. */
function groups() {
  const leaks = new Set(requests.leaks);
  const byHost = new Map();
  for (const note of requests.notes) {
    const { host } = new URL(note.url);
    if (!byHost.has(host)) byHost.set(host, []);
    byHost.get(host).push(note);
  }
  const own = ([host]) => (host === location.host ? 0 : 1);
  return [...byHost].sort((a, b) => own(a) - own(b)).map(([host, notes]) => {
    const whose = host === location.host ? "this page’s own" : "named by the model’s address";
    const newest = [...notes].reverse().slice(0, MOST_ROWS);
    const rows = newest.map((note) => row(note, leaks.has(note)));
    const list = make("ol", { "aria-label": `Requests to ${host}`, tabIndex: 0 }, ...rows);
    const left = notes.length - MOST_ROWS;
    const more = left > 0 ? [make("p", { className: "hint" }, `and ${left} before`)] : [];
    const head = make("h3", {}, make("span", {}, host), make("small", {}, `${whose}, ${count(notes.length)}`));
    return make("section", {}, head, list, ...more);
  });
}

function row(note, isLeak) {
  const { pathname, search } = new URL(note.url);
  const path = make("code", { title: note.url }, pathname + search);
  const size = note.received === 0 ? "from the cache" : bytes(note.received ?? 0);
  const came = note.kept ? "by the service worker" : note.received === null ? "not told" : size;
  const went = note.sent === 0 ? "" : note.sent === null ? ", sent: not known" : `, sent ${bytes(note.sent)}`;
  const failed = note.status >= 400 ? `, ${note.status}` : "";
  const item = make("li", {}, path, make("span", { className: "why" }, reason(note)));
  item.append(make("span", { className: "came" }, came + went + failed));
  item.toggleAttribute("data-leak", isLeak);
  return item;
}

function reason({ url, by, method }) {
  const { pathname, host } = new URL(url);
  if (method === "WebSocket") return "a connection";
  if (by === "keeper") return "kept for opening without a network";
  const ours = host === location.host && pathname.includes("/oriel/");
  if (ours) return by === "engine" || /(worker|thread)\.js$|\.wasm$/.test(pathname) ? "the engine" : "the package";
  if (by === "engine") return "the model";
  const ending = pathname.endsWith("/") ? "html" : pathname.split(".").at(-1);
  return REASONS[ending] ?? "asked for by the page";
}

function count(requests) {
  return requests === 1 ? "1 request" : `${requests} requests`;
}
