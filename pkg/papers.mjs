// What stands at the repository's root and belongs into the tarball -> beside package.json while npm packs, and away again:
// node papers.mjs bring|remove

import { copyFileSync, rmSync } from "node:fs";

const [task] = process.argv.slice(2);
for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) {
  const here = new URL(name, import.meta.url);
  if (task === "bring") copyFileSync(new URL(`../${name}`, import.meta.url), here);
  else rmSync(here, { force: true });
}
