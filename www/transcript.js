// A conversation -> a file to take away: JSON with every branch of it, or the branch in view as Markdown.

import { Tree, titleOf } from "./tree.js";

/** `{ name, type, text }` of a record, as `json` or `markdown`. */
export function fileOf(record, kind) {
  const title = titleOf(record);
  const base = title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "conversation";
  if (kind === "json") {
    return { name: `${base}.json`, type: "application/json", text: `${JSON.stringify({ ...record, title }, null, 2)}\n` };
  }
  return { name: `${base}.md`, type: "text/markdown", text: markdownOf(record, title) };
}

function markdownOf(record, title) {
  const { system } = record.settings;
  const parts = [`# ${title}`, `*${new Date(record.created).toISOString().slice(0, 10)}*`];
  if (system) parts.push(`> ${system.replaceAll("\n", "\n> ")}`);
  for (const { role, mode, who, given = "", text } of new Tree(structuredClone(record)).path()) {
    // A completion begins with what it goes on from.
    if (role === "user" && mode === "complete") continue;
    parts.push(`**${role === "user" ? "You" : who}**`, given + text);
  }
  return `${parts.join("\n\n")}\n`;
}
