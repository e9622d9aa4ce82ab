// The built page, the demo model and a stand-in for the hub, on the loopback interface, with faults to order.

import { createReadStream } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const site = join(root, "target/site");

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm",
};

/** The demo model's file: the test runner says where it is. */
export function modelFile() {
  const path = process.env.ORIEL_MODEL;
  if (!path) throw new Error("ORIEL_MODEL names no file; `cargo xtask test page` sets it");
  return path;
}

/** What lets a page share memory among its threads. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/**
 * Starts a server. `/` is the page, `/models/` the demo model, `/blank.html` a page with nothing on it,
 * `/fault/KIND/...` the model with a fault, `/hub/` a hub with the repositories given as `{ "owner/name": folder }`.
 * The files whose paths `instead` names have its text; undefined is a file that is not there. `isolated` sends the
 * headers that threads need. `sent` has the bytes of each answer that is over, given up or whole.
 */
export async function serve({ hub = {}, workerPrelude = "", instead = {}, isolated = false } = {}) {
  const requests = [];
  const sent = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    requests.push(path);
    const { socket } = request;
    const before = socket.bytesWritten;
    response.on("close", () => sent.push({ path, bytes: socket.bytesWritten - before }));
    for (const [name, value] of Object.entries(isolated ? ISOLATED : {})) response.setHeader(name, value);
    // A visitor who goes away in mid-download is no error.
    answer({ path, response, hub, workerPrelude, instead }).catch((error) => {
      if (response.headersSent) response.destroy();
      else end(response, error.code === "ENOENT" ? 404 : 500, "text/plain", String(error));
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const address = `http://127.0.0.1:${server.address().port}/`;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { address, requests, sent, close };
}

async function answer({ path, response, hub, workerPrelude, instead }) {
  const [first, ...rest] = path.split("/").filter(Boolean);
  if (rest.includes("..") || first === "..") return end(response, 404, "text/plain", "");
  if (path in instead) return end(response, instead[path] === undefined ? 404 : 200, typeOf(path), instead[path]);
  if (first === "models") return file(response, modelFile());
  if (first === "fault") return faults[rest[0]](response, modelFile());
  if (first === "hub") return hubAnswer(response, rest, hub);
  if (first === "blank.html") return end(response, 200, TYPES[".html"], "<!doctype html><title>blank</title>");
  if (path === "/oriel/worker.js" && workerPrelude) {
    return end(response, 200, TYPES[".js"], workerPrelude + (await readFile(join(site, path))));
  }
  return file(response, join(site, path === "/" ? "index.html" : path));
}

function end(response, status, type, body) {
  response.writeHead(status, { "content-type": type }).end(body);
}

async function file(response, path) {
  const { size } = await stat(path);
  response.writeHead(200, { "content-type": typeOf(path), "content-length": size });
  await pipeline(createReadStream(path), response);
}

function typeOf(path) {
  return TYPES[extname(path)] ?? "application/octet-stream";
}

/** The Hub's two addresses: a list of a repository's files, and each of them behind a redirect. */
async function hubAnswer(response, segments, hub) {
  const [api, models, ...listed] = segments;
  if (api === "api" && models === "models") {
    const folder = hub[listed.slice(0, 2).join("/")];
    if (!folder) return end(response, 401, TYPES[".json"], '{"error":"Invalid username or password."}');
    const entries = await readdir(folder, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const sizes = await Promise.all(files.map(({ name }) => stat(join(folder, name))));
    const tree = files.map(({ name }, place) => ({ type: "file", path: name, size: sizes[place].size }));
    return end(response, 200, TYPES[".json"], JSON.stringify(tree));
  }
  const [owner, name, kind, revision, ...path] = segments;
  const folder = hub[`${owner}/${name}`];
  if (!folder) return end(response, 401, TYPES[".json"], "");
  if (kind === "stored") return file(response, join(folder, basename(path.join("/"))));
  const location = `/hub/${owner}/${name}/stored/${revision}/${path.map(encodeURIComponent).join("/")}`;
  response.writeHead(302, { location }).end();
}

/** How much of the model a broken answer brings. */
const HALF = 0.5;

const faults = {
  /** A file that was cut off where it is stored: the transfer itself is sound. */
  async truncated(response, path) {
    const size = Math.floor((await stat(path)).size * HALF);
    response.writeHead(200, { "content-length": size });
    await pipeline(createReadStream(path, { end: size - 1 }), response);
  },
  /** A connection that breaks on the way. */
  async broken(response, path) {
    const { size } = await stat(path);
    response.writeHead(200, { "content-length": size });
    await pipeline(createReadStream(path, { end: Math.floor(size * HALF) }), response, { end: false });
    response.destroy();
  },
  /** A server that knows neither lengths nor ranges. */
  async plain(response, path) {
    response.writeHead(200, { "accept-ranges": "none" });
    await pipeline(createReadStream(path), response);
  },
  /** A download that takes its time: a quarter of a megabyte, then a pause, and so on. */
  async slow(response, path) {
    const { size } = await stat(path);
    response.writeHead(200, { "content-length": size });
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
      if (response.destroyed) return;
      response.write(chunk);
      await new Promise((done) => setTimeout(done, 10));
    }
    response.end();
  },
  async absent(response) {
    end(response, 404, "text/plain", "no");
  },
  async page(response) {
    end(response, 200, TYPES[".html"], "<!doctype html><title>Sign in</title>");
  },
  async pointer(response) {
    end(response, 200, "text/plain", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  },
  /** Sound bytes, but no model. */
  async wrong(response) {
    end(response, 200, "application/octet-stream", Buffer.alloc(4096, "PNG"));
  },
  /** A tensor that the model needs has another name. */
  async tensor(response, path) {
    await patched(response, path, (head, at) => head.write("Q", at + "blk.3.attn_".length));
  },
  /** A tensor is said to be of a type that Oriel does not read (IQ4_NL). */
  async quantisation(response, path) {
    const type = "blk.3.attn_q.weight".length + 4 + 2 * 8;
    await patched(response, path, (head, at) => head.writeUInt32LE(20, at + type));
  },
};

/** Bytes that hold the whole head of the demo model. */
const HEAD_BYTES = 8 << 20;

/** Sends the model with its head changed where the tensor `blk.3.attn_q.weight` is listed. */
async function patched(response, path, change) {
  const { size } = await stat(path);
  const head = Buffer.concat(await createReadStream(path, { end: HEAD_BYTES - 1 }).toArray());
  change(head, head.indexOf("blk.3.attn_q.weight"));
  response.writeHead(200, { "content-length": size });
  response.write(head);
  await pipeline(createReadStream(path, { start: HEAD_BYTES }), response);
}
