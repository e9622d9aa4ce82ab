// Has the browser keep the page's own files, so that it opens without a network; after all that the first visit needs.

import { requests } from "./requests.js";

navigator.serviceWorker?.addEventListener("message", ({ data }) => {
  if (data.kind === "kept") data.notes.forEach(requests.keeper);
});

/** Whether the page is kept: resolves to why not, or to nothing once it is. */
export const kept = new Promise((resolve) => {
  if (!("serviceWorker" in navigator)) return resolve("this browser keeps no pages here");
  const begin = async () => {
    try {
      const { installing } = await navigator.serviceWorker.register("offline.js");
      // Without one that is kept already, nothing else tells that this one is given up.
      const given = () => installing.state === "redundant" && resolve("its files could not all be fetched");
      installing?.addEventListener("statechange", given);
      await navigator.serviceWorker.ready;
      resolve();
    } catch (error) {
      resolve(error.message);
    }
  };
  if (document.readyState === "complete") void begin();
  else addEventListener("load", begin, { once: true });
});
