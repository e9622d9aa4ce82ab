// OpenAI's client and the AI SDK as an app's bundler makes one file of them, for pages of any browser.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The clients and the adapters as an app's bundler makes one file of them; the package itself is the served one. */
export async function clients() {
  const served = {
    name: "served",
    setup({ onResolve }) {
      onResolve({ filter: /^(\.\/index\.js|oriel)$/ }, ({ path, importer }) =>
        path === "oriel" || importer.includes("/pkg/dist/") ? { path: "/oriel/index.js", external: true } : undefined,
      );
    },
  };
  const contents = `
    export { load } from "oriel";
    export { createFetch } from "oriel/openai";
    export { createOriel } from "oriel/ai-sdk";
    export { default as OpenAI } from "openai";
    export { generateText, streamText, tool, jsonSchema } from "ai";`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    plugins: [served],
  });
  return outputFiles[0].text;
}
