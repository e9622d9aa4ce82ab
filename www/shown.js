// Which conversation this page shows, for a reload of it. The first reload that comes isolated from other pages, by the
// service worker's headers, brings no history.state along: the tab's storage does. A page that another one opens gets a
// copy of that storage, and begins with nothing all the same.

const KEY = "oriel-conversation";

/** Notes the conversation that is in view. */
export function note(id) {
  history.replaceState({ conversation: id }, "");
  try {
    sessionStorage.setItem(KEY, id);
  } catch {
    // A browser that keeps nothing shows a new conversation, and says so in the list of them.
  }
}

/** The conversation that was in view before the page was loaded again. */
export function noted() {
  if (history.state?.conversation) return history.state.conversation;
  if (performance.getEntriesByType("navigation")[0]?.type === "navigate") return undefined;
  try {
    return sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}
