// A tag, what is set on it, and what stands in it -> an element.

/** `make("p", { className: "hint" }, "Text", child)`; names with a dash become attributes. */
export function make(tag, set = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}
