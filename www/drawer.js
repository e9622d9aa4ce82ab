// A part of the page that stands beside the middle where there is room, and slides over it where there is none.

/**
 * Opens and closes it by its two buttons and Escape, with the keyboard's focus going along; `open(wanted)` too. Where it
 * lies over the middle, a click beside it closes it and does no more.
 */
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
  const beside = (event) => {
    const within = side.contains(event.target) || opener.contains(event.target);
    if (within || !isOpen() || getComputedStyle(side).position !== "fixed") return;
    event.stopPropagation();
    event.preventDefault();
    open(false);
  };
  addEventListener("click", beside, true);
  addEventListener("keydown", ({ key }) => key === "Escape" && open(false));
  return { open };
}
