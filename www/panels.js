// The panels beside the conversation: each brings its module and its looks when it is first opened, and none before.

import "./keep.js";

const PANELS = {
  charts: () => import("./charts.js"),
  kernels: () => import("./kernels.js"),
  tokens: () => import("./tokens.js"),
  privacy: () => import("./privacy.js"),
};

/** The panels' own style sheet, which the page does without until one is opened. */
let looks;

function bringLooks() {
  looks ??= new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "panels.css" });
    link.onload = resolve;
    link.onerror = () => {
      looks = undefined;
      link.remove();
      reject(new Error("panels.css can't be fetched"));
    };
    document.head.append(link);
  });
  return looks;
}

/** Panels are `details` that name themselves; their modules' `show(root)` fills them, once. */
for (const details of document.querySelectorAll("details[data-panel]")) {
  const root = details.querySelector(".panel-body");
  let shown = false;
  details.addEventListener("toggle", async () => {
    if (!details.open || shown) return;
    shown = true;
    root.textContent = "One moment.";
    try {
      const [{ show }] = await Promise.all([PANELS[details.dataset.panel](), bringLooks()]);
      root.replaceChildren();
      show(root);
    } catch (error) {
      shown = false;
      root.textContent = `This panel can’t be shown: ${error.message}.`;
    }
  });
}
