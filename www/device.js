// The page's address -> the options that say where a model runs, `?device=webgpu`, `?device=cpu&threads=2`, and so on, and
// with `hub` which address answers for the names of models.

/** Options of `load` by their names in the address, and what makes them of text. */
const OPTIONS = { device: String, threads: Number, activations: String, instructions: String, hub: String };

/** What the address asks for; the package refuses what makes no sense. */
export function deviceOptions() {
  const asked = new URLSearchParams(location.search);
  const given = Object.entries(OPTIONS).filter(([name]) => asked.has(name));
  return Object.fromEntries(given.map(([name, read]) => [name, read(asked.get(name))]));
}

/** Where a model runs and why, in a sentence. */
export function placeOf({ device, deviceReason }) {
  return `${device === "cpu" ? "The processor" : "The GPU"}: ${deviceReason}.`;
}
