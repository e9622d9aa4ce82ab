// A server of models that is not to be relied on, and what pages ask of it, in any browser.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const golden = (path) => fileURLToPath(new URL(`../golden/${path}`, import.meta.url));
/** The one file of weights, under any name. */
export const bytes = await readFile(golden("llama.gguf"));
/** A checkpoint's folder, without what need not be there. */
const NAMES = ["config.json", "tokenizer.json", "model.safetensors"];
const files = NAMES.map(async (name) => [name, await readFile(golden(`qwen3/${name}`))]);
const checkpoint = Object.fromEntries(await Promise.all(files));
/** Where a download is cut off. */
export const CUT = 100_003;

/** Another origin with ETags and ranges, that breaks off, stands still or is gone when it is told to by `order`. */
export async function serveModels(after) {
  const order = { cut: false, gone: false, etag: '"one"', asked: [] };
  const models = createServer((request, response) => {
    if (order.gone) return request.socket.destroy();
    const { range } = request.headers;
    const [, first, name] = request.url.split("/");
    const file = first === "folder" ? checkpoint[name] : bytes;
    const allowed = { "access-control-allow-origin": "*", "access-control-expose-headers": "ETag, Content-Range" };
    order.asked.push(`${request.method} ${range ?? "all"}`);
    if (!file) return response.writeHead(404, allowed).end();
    const [, from = 0, to = file.length - 1] = /^bytes=(\d+)-(\d+)?$/.exec(range ?? "") ?? [];
    const last = Number(to);
    const body = file.subarray(Number(from), last + 1);
    response.writeHead(range ? 206 : 200, {
      ...{ ...allowed, etag: order.etag, "accept-ranges": "bytes", "content-length": body.length },
      ...(range ? { "content-range": `bytes ${from}-${last}/${file.length}` } : {}),
    });
    if (request.method === "HEAD") return response.end();
    if (!order.cut) return response.end(body);
    response.write(body.subarray(0, CUT));
    if (order.cut === true) setTimeout(() => response.destroy(), 200);
  });
  await new Promise((done) => models.listen(0, "127.0.0.1", done));
  after(() => (models.closeAllConnections(), models.close()));
  const address = (name) => `http://127.0.0.1:${models.address().port}/${name}`;

  /** What the server was asked since the last time. */
  const asked = () => order.asked.splice(0);
  return { order, asked, address };
}

/** Runs in a page: `run` loads and asks. */
export async function preparePage() {
  const { check, load, storage } = await import("/oriel/index.js");
  const say = (model) => model.generate("Hello", { maxTokens: 4, temperature: 0, ignoreEos: true }).result;
  const run = async (source, { heal = false, ...options } = {}) => {
    const [reports, events] = [[], []];
    const listen = { onProgress: (report) => reports.push(report), onEvent: ({ type }) => events.push(type) };
    try {
      const model = await load(source, { device: "cpu", ...listen, ...options });
      const { text } = await say(model);
      if (heal) new BroadcastChannel("faults").postMessage({ how: "end", at: [], now: true });
      const again = heal ? (await new Promise((done) => setTimeout(done, 100)), (await say(model)).text) : text;
      await model.dispose();
      const verified = reports.filter(({ phase }) => phase === "verify").map(({ loaded }) => loaded);
      return { text, again, notice: model.info.notice, events, verified, ...reports.at(-1) };
    } catch ({ code, message }) {
      return { code, message };
    }
  };
  Object.assign(globalThis, { check, run, storage });
}
