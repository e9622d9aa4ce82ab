// A stand-in for the hub, as strict as the real one: lists with sums, private repositories, and bytes on another origin.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** To every page; what other origins may read beyond that is named one by one. */
const OPEN = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "ETag, Content-Range, Content-Length",
};

async function listen(answer) {
  const server = createServer(answer);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const close = () => (server.closeAllConnections(), server.close());
  return { close, address: `http://127.0.0.1:${server.address().port}` };
}

/**
 * Starts a hub with repositories `{ "owner/name": { "path": bytes } }`; those that `secrets` names open to its token only.
 * `order` has faults: `gone`, `cut` (bytes after which a file breaks off), `instead` (bytes in place of every file's).
 * `asked` has each request as `{ host: "hub" | "store", line, authorization }`.
 */
export async function serveHub(repositories, secrets = {}) {
  const order = {};
  const asked = [];
  const note = (host, { method, url, headers }) => {
    const { authorization, range = "all" } = headers;
    asked.push({ host, line: `${method} ${range}`, url, authorization });
  };
  const store = await listen((request, response) => {
    if (order.gone) return request.socket.destroy();
    note("store", request);
    const [, owner, name, ...path] = decodeURIComponent(new URL(request.url, "http://x").pathname).split("/");
    const bytes = repositories[`${owner}/${name}`][path.join("/")];
    send(request, response, bytes, order);
  });
  const hub = await listen((request, response) => {
    if (order.gone) return request.socket.destroy();
    if (request.method === "OPTIONS") return response.writeHead(204, { ...OPEN, ...allowed(request) }).end();
    note("hub", request);
    const parts = decodeURIComponent(new URL(request.url, "http://x").pathname).split("/").slice(1);
    const [owner, name] = parts[0] === "api" ? parts.slice(2) : parts;
    const files = repositories[`${owner}/${name}`];
    const secret = secrets[`${owner}/${name}`];
    if (!files || (secret && request.headers.authorization !== `Bearer ${secret}`)) {
      return response.writeHead(401, OPEN).end('{"error":"Invalid username or password."}');
    }
    if (parts[0] === "api") return response.writeHead(200, OPEN).end(JSON.stringify(list(files, parts.slice(6).join("/"))));
    const path = parts.slice(4).join("/");
    if (!files[path]) return response.writeHead(404, OPEN).end();
    response.writeHead(302, { ...OPEN, location: `${store.address}/${owner}/${name}/${path}?signed=1` }).end();
  });
  return { address: hub.address, order, asked, close: () => (hub.close(), store.close()) };
}

function allowed({ headers }) {
  return { "access-control-allow-headers": headers["access-control-request-headers"] ?? "" };
}

/** Large files with their sums, small ones with what git calls them. */
function list(files, below) {
  const folder = below ? `${below}/` : "";
  const inside = Object.entries(files).filter(([path]) => path.slice(0, path.lastIndexOf("/") + 1) === folder);
  return inside.map(([path, bytes]) => {
    const entry = { type: "file", path, size: bytes.length, oid: sha256(bytes).slice(0, 40) };
    const large = /\.(gguf|safetensors)$/.test(path);
    return large ? { ...entry, lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } } : entry;
  });
}

function send(request, response, sound, { instead, cut }) {
  const file = instead ?? sound;
  const { range } = request.headers;
  const [, from = 0, to = file.length - 1] = /^bytes=(\d+)-(\d+)?$/.exec(range ?? "") ?? [];
  const body = file.subarray(Number(from), Number(to) + 1);
  response.writeHead(range ? 206 : 200, {
    ...{ ...OPEN, etag: `"${sha256(file)}"`, "content-length": body.length },
    ...(range ? { "content-range": `bytes ${from}-${to}/${file.length}` } : {}),
  });
  if (request.method === "HEAD") return response.end();
  if (cut === undefined) return response.end(body);
  response.write(body.subarray(0, cut));
  setTimeout(() => response.destroy(), 200);
}
