// Apps made of the packed package, each in a folder of its own, served under a strict policy; and a proxy that notes
// every request which would leave the machine.

import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { cp, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { NO_WEBGPU, launch } from "./browser.mjs";
import { modelFile } from "./server.mjs";

const execute = promisify(execFile);
const packageFolder = fileURLToPath(new URL("../../pkg", import.meta.url));

/** What a careful site allows: its own files, WebAssembly, and nothing else. */
export const STRICT = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self'",
].join("; ");

/** A folder that is gone when the file's tests are over. */
export async function scratchFolder(after) {
  const folder = await mkdtemp(join(tmpdir(), "oriel-apps-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Packs the package. Gives the tarball's path and the names of the files in it. */
export async function pack(folder) {
  const asked = ["pack", "--json", "--silent", "--pack-destination", folder];
  const { stdout } = await execute("npm", asked, { cwd: packageFolder, maxBuffer: 1 << 26 });
  const listed = JSON.parse(stdout);
  const { filename, files } = Array.isArray(listed) ? listed[0] : Object.values(listed)[0];
  return { tarball: join(folder, filename), names: files.map(({ path }) => path) };
}

/** A new folder with these files in it and the tarball installed, without a word to any registry. */
export async function install(folder, tarball, files) {
  await writeFiles(folder, {
    "package.json": JSON.stringify({ name: "app", private: true, type: "module", version: "0.0.0" }),
    ...files,
  });
  await execute("npm", ["install", "--offline", "--no-audit", "--no-fund", "--silent", tarball], { cwd: folder });
}

/** Writes files by their paths in a folder. */
export async function writeFiles(folder, files) {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

export const copy = (from, to) => cp(from, to, { recursive: true });

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".wasm": "application/wasm",
};

/** Serves the folders in `folder` under a policy, and the demo model at `/models/`. */
export async function serveApps(after, folder, policy = STRICT) {
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    const file = path.startsWith("/models/") ? modelFile() : join(folder, path.endsWith("/") ? `${path}index.html` : path);
    try {
      if (path.split("/").includes("..")) throw new Error(path);
      const { size } = await stat(file);
      const type = TYPES[extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "content-length": size, "content-security-policy": policy });
      await pipeline(createReadStream(file), response);
    } catch {
      if (response.headersSent) response.destroy();
      else response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  after(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${server.address().port}/`;
}

/** Chromium itself asks there what a form's fields are for. */
const OWN = "content-autofill.googleapis.com:443";

/** A proxy that answers nothing and remembers where everybody wanted to go. */
async function witness(after) {
  const wanted = [];
  const server = createServer((request, response) => {
    wanted.push(request.url);
    response.writeHead(502).end();
  });
  server.on("connect", (request, socket) => {
    if (request.url !== OWN) wanted.push(request.url);
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  after(() => (server.closeAllConnections(), server.close()));
  return { wanted, address: `http://127.0.0.1:${server.address().port}` };
}

/**
 * Chromium without a GPU. Whatever its pages and their workers ask of another host goes to the witness; what the browser
 * asks for itself has another way out.
 */
export async function watchedPages(after) {
  const { wanted, address } = await witness(after);
  const browser = await launch(NO_WEBGPU);
  after(() => browser.close());
  const context = await browser.newContext({ proxy: { server: address, bypass: "127.0.0.1" } });
  return { context, wanted };
}
