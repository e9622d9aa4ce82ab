// A message in the list -> a box with its text in place of it, until that is sent or given up.

import { make } from "./elements.js";

/**
 * Has a message's text edited where it stands; `onDone` is given a text that differs and is not empty, and says whether it
 * was taken: one that was not stays in its box.
 */
export function edit(item, { role, text }, onDone) {
  if (item.querySelector(".editor")) return;
  const question = role === "user";
  const box = make("textarea", { value: text, ariaLabel: question ? "Your question" : "The answer", required: true });
  const cancel = make("button", { type: "button", className: "quiet", textContent: "Cancel" });
  const send = make("button", { type: "submit", className: "primary", textContent: question ? "Send" : "Save" });
  const hint = make("p", { className: "hint", textContent: "The version before is kept beside it." });
  const form = make("form", { className: "editor" }, box, make("div", { className: "editor-foot" }, hint, cancel, send));
  const leave = () => {
    form.remove();
    item.toggleAttribute("data-editing", false);
    item.querySelector('[data-act="edit"]').focus();
  };
  cancel.addEventListener("click", leave);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const changed = box.value.trim() && box.value !== text;
    if (changed && !onDone(box.value)) hint.textContent = "This can't be done now: see to what is going on first.";
    else leave();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) {
      // It ends the editing, and not an answer that is coming too.
      event.stopPropagation();
      leave();
    }
    // As in the prompt's box, where a question is edited; an answer has lines of its own.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !question) return;
    event.preventDefault();
    form.requestSubmit();
  });
  item.toggleAttribute("data-editing", true);
  item.append(form);
  box.focus();
}
