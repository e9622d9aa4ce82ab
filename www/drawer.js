// A part of the page that stands beside the middle where there is room, and slides over it where there is none.

/** Opens and closes it by its two buttons and Escape, with the keyboard's focus going along; `open(wanted)` too. */
export function drawer(part, toggle, close) {
  const [side, opener, closer] = [part, toggle, close].map((selector) => document.querySelector(selector));
  const isOpen = () => side.hasAttribute("data-open");
  const open = (wanted) => {
    if (wanted === isOpen()) return;
    side.toggleAttribute("data-open", wanted);
    opener.setAttribute("aria-expanded", String(wanted));
    (wanted ? closer : opener).focus();
  };
  opener.addEventListener("click", () => open(!isOpen()));
  closer.addEventListener("click", () => open(false));
  addEventListener("keydown", ({ key }) => key === "Escape" && open(false));
  return { open };
}
