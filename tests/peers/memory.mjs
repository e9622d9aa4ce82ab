// What the processes of the pages that this program opened have taken of memory, as Linux counts it.

import { readFile, readdir } from "node:fs/promises";

/** How a browser starts the process of a page: Chromium, Firefox. */
const OF_A_PAGE = /--type=renderer|-contentproc.* tab\b/s;

/** Bytes that the greatest of the pages' processes had in memory at most; null where nobody tells. */
export async function mostMemory() {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(processOf));
  const parents = new Map(found.filter(Boolean).map(({ pid, parent }) => [pid, parent]));
  const isOurs = (pid) => pid === process.pid || (parents.has(pid) && isOurs(parents.get(pid)));
  const pages = found.filter((process) => process && OF_A_PAGE.test(process.command) && isOurs(process.pid));
  return pages.length ? Math.max(...pages.map(({ bytes }) => bytes)) : null;
}

async function processOf(name) {
  const read = (file) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "");
  const [command, status] = await Promise.all([read("cmdline"), read("status")]);
  const number = (key) => Number(new RegExp(`^${key}:\\s*(\\d+)`, "m").exec(status)?.[1]);
  if (!status) return undefined;
  const bytes = number("VmHWM") * 1024;
  return { pid: Number(name), parent: number("PPid"), command: command.replaceAll("\0", " "), bytes };
}
