// The peers, the built page's package, the model and its ONNX files, on the loopback interface. The headers that
// isolate a page are sent, as wllama's threads need them.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** What a page of its own may share memory with. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

/** Serves `/` and, from these folders, everything under the names that they are given by. */
export async function serve(folders) {
  const roots = { peers: here("node_modules"), oriel: here("../../target/site/oriel"), page: here("page"), ...folders };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    const [first = "page", ...rest] = path.split("/").filter(Boolean);
    const root = rest.includes("..") ? undefined : roots[first];
    send(response, root && join(root, ...(rest.length ? rest : ["index.html"]))).catch(() => response.destroy());
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { address: `http://127.0.0.1:${server.address().port}/`, close };
}

async function send(response, path) {
  const found = path && (await stat(path).catch(() => undefined));
  if (!found?.isFile()) return void response.writeHead(404, ISOLATED).end();
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  response.writeHead(200, { ...ISOLATED, "content-type": type, "content-length": found.size });
  await pipeline(createReadStream(path), response);
}
