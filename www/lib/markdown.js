// Markdown, as models write it -> elements that are safe to show, the blocks that have not changed left as they are.
// Bundled with its two libraries by build.mjs; the page fetches it when the first answer comes.

import DOMPurify from "dompurify";
import { Marked } from "marked";

/** What a model's words may become. No images, as fetching one would tell where it is; no forms, no styles. */
const TAGS = (
  "p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li a table thead tbody tr th td div span"
).split(" ");
const ATTRIBUTES = ["href", "start", "align", "class"];

const escape = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const marked = new Marked({
  renderer: {
    // HTML is shown as it was written, and an image as the words that stand for it.
    html: ({ text }) => escape(text),
    image: ({ text, title }) => escape(text || title || ""),
    // Headings of an answer stand below the page's own.
    heading({ tokens, depth }) {
      const level = Math.min(depth + 2, 6);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    code: ({ text, lang }) => `<pre><code class="${escape(lang?.split(/\s/)[0] ?? "")}">${escape(text)}</code></pre>`,
  },
});

/** Shows a text in `root`, which nothing else may write to, and which may show an earlier state of the text. */
export function render(root, text) {
  const blocks = marked.lexer(text).filter(({ type }) => type !== "space" && type !== "def");
  blocks.forEach((block, place) => {
    const former = root.children[place];
    if (former?.source === block.raw) return;
    const element = elementOf(marked.parser([block]));
    element.source = block.raw;
    if (former) former.replaceWith(element);
    else root.append(element);
  });
  while (root.children.length > blocks.length) root.lastElementChild.remove();
}

/** One block as an element. */
function elementOf(html) {
  const clean = DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOWED_URI_REGEXP: /^(https?|mailto):/i,
    RETURN_DOM_FRAGMENT: true,
  });
  const block = document.createElement("div");
  block.className = "block";
  block.append(...[...clean.childNodes].filter((node) => node.nodeType !== Node.TEXT_NODE || node.data.trim()));
  for (const link of block.querySelectorAll("a")) Object.assign(link, { target: "_blank", rel: "noopener noreferrer" });
  for (const pre of block.querySelectorAll("pre")) withCopy(pre);
  return block;
}

/** Puts the language's name and a button that copies above a block of code. */
function withCopy(pre) {
  const code = pre.querySelector("code");
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const language = make("span", { textContent: code.className });
  const copy = make("button", { type: "button", className: "quiet", textContent: "Copy", ariaLabel: "Copy the code" });
  copy.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(code.textContent).then(() => true, () => false);
    copy.textContent = done ? "Copied" : "Not allowed";
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  // What scrolls has to be reached by the keyboard.
  pre.tabIndex = 0;
  const frame = make("div", { className: "code" });
  const head = make("div", { className: "code-head" });
  head.append(language, copy);
  pre.replaceWith(frame);
  frame.append(head, pre);
}
