// A check over an engine that stands in: what is read of the files, what is said of them, and what is thrown.

import assert from "node:assert/strict";
import test, { afterEach } from "node:test";
import { sources, thrown } from "./sources.mjs";

const { Client, Host, OrielError, checkOptions, wanted } = await sources([
  ...["client", "host", "errors", "options", "source"],
]);

const around = { base: "https://site.test/", hub: "https://hub.test", revision: "main" };
const GIB = 2 ** 30;

const realFetch = globalThis.fetch;
afterEach(() => (globalThis.fetch = realFetch));

/** Heads are whole after so many bytes; what they tell is given. */
function engine({ headBytes = 4, names = [], choice, survey, fault }) {
  const seen = { pushed: 0, side: [], freed: 0, surveys: [], measured: [] };
  let left;
  const heads = {
    sideFile: (name) => seen.side.push(name),
    wanted: () => names,
    begin: () => (left = headBytes),
    push(bytes) {
      seen.pushed += bytes.byteLength;
      left -= bytes.byteLength;
      if (fault) throw fault;
      return left <= 0;
    },
    end: () => {
      throw { code: "file-damaged", message: "the head is not whole" };
    },
    survey: (...takes) => (seen.surveys.push(takes), survey),
    free: () => (seen.freed += 1),
  };
  const speed = async (choice) => (seen.measured.push(choice), SPEED);
  return { seen, heads: () => heads, choose: async () => choice, speed };
}

const GPU = { device: "webgpu", reason: "there is one", bindingLimit: 1 << 28 };
const CPU = { device: "cpu", reason: "there is no other" };
const FITS = { context: 4096, maxContext: 8192, gpuBytes: 1000, tokenBytes: 800 };
/** Bytes of weights a second. */
const SPEED = 40_000;

/** What a check says of a source, by an engine. */
async function check(source, made, { signal, ...options } = {}) {
  const { port1, port2 } = new MessageChannel();
  const host = new Host(
    async () => made,
    (reply) => port2.postMessage(reply),
  );
  port2.on("message", (request) => host.receive(request));
  const worker = { postMessage: (message) => port1.postMessage(message), terminate: () => port1.close() };
  port1.on("message", (data) => worker.onmessage({ data }));
  const client = new Client(worker);
  const asked = { device: "auto", precision: "auto", cache: "auto", ...options };
  try {
    return await client.call("check", { wanted: await wanted(source, around), options: asked }, { signal }).done;
  } finally {
    await client.close(new OrielError("disposed", ""));
  }
}

/** Of a stream's chunks. */
const CHUNK_BYTES = 12;

/** Serves texts by path; `cancelled` has the paths of streams that were given up. */
function serve(files) {
  const cancelled = [];
  globalThis.fetch = async (url) => {
    const { pathname } = new URL(url);
    if (!(pathname in files)) return new Response("", { status: 404 });
    let sent = 0;
    const bytes = new TextEncoder().encode(files[pathname]);
    const body = new ReadableStream({
      pull(controller) {
        if (sent >= bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(sent, Math.min((sent += CHUNK_BYTES), bytes.length)));
      },
      cancel: () => void cancelled.push(pathname),
    });
    return new Response(body, { headers: { "content-length": bytes.length } });
  };
  return cancelled;
}

test("a file on a server: its head is read, the stream given up, the rest counted", async () => {
  const cancelled = serve({ "/m.gguf": "GGUF, then weights, and more of them" });
  const made = engine({ choice: GPU, survey: FITS });
  const fit = await check("m.gguf", made, { context: 4096 });
  assert.deepEqual(fit, {
    ...{ status: "downloadable", downloadBytes: 36, storedBytes: 0, gpuBytes: 1000, maxContext: 8192, tokensPerSecond: 50 },
    gpuBytesByContext: [1024, 2048, 4096, 8192].map((context) => ({ context, gpuBytes: 1000 })),
    ...{ device: "webgpu", deviceReason: "there is one", reasons: ["on the GPU: there is one"] },
  });
  // The head is read once; each further length of the context takes heads of its own, of the same bytes.
  assert.deepEqual([made.seen.pushed, cancelled, made.seen.freed], [5 * CHUNK_BYTES, ["/m.gguf"], 5]);
  const surveys = [4096, 1024, 2048, 4096, 8192];
  const asked = surveys.map((context) => [{ precision: "auto", cache: "auto", context }, false, 1 << 28]);
  assert.deepEqual(made.seen.surveys, asked);
});

test("a file that is here is ready", async () => {
  const made = engine({ choice: CPU, survey: FITS });
  const fit = await check(new Blob([new Uint8Array(2 ** 22)]), made);
  assert.deepEqual([fit.status, fit.downloadBytes, fit.device], ["ready", 0, "cpu"]);
  assert.deepEqual(made.seen.surveys[0].slice(1), [true, 4 * GIB]);
  assert.ok(made.seen.pushed <= 5 * 2 ** 18);
});

test("of a folder, config and index are read, and of each shard the head; all lengths count", async () => {
  const cancelled = serve({
    ...{ "/m/config.json": "{}", "/m/tokenizer.json": "0123456789".repeat(3), "/m/model.safetensors.index.json": "{}" },
    ...{ "/m/a.safetensors": "a".repeat(40), "/m/b.safetensors": "b".repeat(50) },
  });
  const made = engine({ choice: GPU, survey: FITS, names: ["a.safetensors", "b.safetensors"] });
  const fit = await check("m/", made);
  assert.deepEqual([fit.status, fit.downloadBytes], ["downloadable", 2 + 30 + 2 + 40 + 50]);
  assert.deepEqual([...new Set(made.seen.side)].sort(), ["config.json", "model.safetensors.index.json"]);
  assert.deepEqual(cancelled.sort(), ["/m/a.safetensors", "/m/b.safetensors", "/m/tokenizer.json"]);
});

test("what does not fit is unavailable, with its size", async () => {
  const cases = [
    [CPU, { context: 4096, maxContext: 0, gpuBytes: 7.25 * GIB }, /takes 7\.3 GiB, and the processor's path has 4\.0 GiB$/],
    [CPU, { context: 4096, maxContext: 512, gpuBytes: 4.5 * GIB }, /4\.5 GiB.*; a context of 512 fits$/],
    [GPU, { context: 4096, maxContext: 512, gpuBytes: GIB }, /than the GPU binds at once; a context of 512 fits$/],
  ];
  for (const [choice, survey, message] of cases) {
    const made = engine({ choice, survey });
    const fit = await check(new Blob(["GGUF"]), made);
    assert.deepEqual([fit.status, fit.gpuBytes, fit.maxContext], ["unavailable", survey.gpuBytes, survey.maxContext]);
    assert.match(fit.reasons[0], message);
    assert.equal(fit.reasons.length, 2);
    assert.deepEqual([fit.tokensPerSecond, made.seen.measured], [null, []], "what does not fit is not measured");
  }
});

test("tokens a second are the device's speed over the bytes that a token reads, if it was measured", async () => {
  const rate = async (tokenBytes, more = {}) => {
    const made = { ...engine({ choice: GPU, survey: { ...FITS, tokenBytes } }), ...more };
    const { tokensPerSecond } = await check(new Blob(["GGUF"]), made);
    return [tokensPerSecond, made.seen.measured];
  };
  assert.deepEqual(await rate(400), [100, [GPU]]);
  assert.deepEqual(await rate(800), [50, [GPU]]);
  assert.deepEqual(await rate(800, { speed: async () => 0 }), [null, []]);
});

test("what the core refuses is unavailable in its words, and still counted", async () => {
  serve({ "/m.gguf": "GGUF and then weights" });
  const fault = { code: "unsupported", message: "m.gguf: the architecture mamba is not supported" };
  const made = engine({ choice: GPU, fault });
  const fit = await check("m.gguf", made);
  assert.deepEqual([fit.status, fit.downloadBytes, fit.gpuBytes, fit.maxContext], ["unavailable", 21, null, null]);
  assert.deepEqual(fit.reasons, [fault.message, "on the GPU: there is one"]);
  assert.equal(made.seen.freed, 1);

  const short = await check("m.gguf", engine({ choice: GPU, headBytes: 99 }));
  assert.deepEqual([short.status, short.reasons[0]], ["unavailable", "the head is not whole"]);
});

test("without the GPU that was asked for it is unavailable, and nothing is fetched", async () => {
  const made = { ...engine({}), choose: async () => Promise.reject(new OrielError("no-webgpu", "there is none")) };
  const fit = await check("m.gguf", made, { device: "webgpu" });
  assert.deepEqual([fit.status, fit.device, fit.downloadBytes], ["unavailable", "webgpu", null]);
  assert.equal(fit.reasons[0], "there is none");
});

test("files that are not there, pages, bad options and aborts throw", async () => {
  serve({ "/page.gguf": "<!doctype html>" });
  const codes = [
    [() => check("absent.gguf", engine({ choice: GPU })), "not-found"],
    [() => check("page.gguf", engine({ choice: GPU, headBytes: 99 })), "not-a-model"],
    [() => check("absent/", engine({ choice: GPU })), "not-found"],
    [() => check("m.gguf", engine({ choice: GPU }), { signal: AbortSignal.abort() }), "aborted"],
    [() => check(new Blob(["GGUF"]), engine({ choice: GPU, fault: { code: "option", message: "context" } })), "option"],
    [() => checkOptions({ threads: 2 }), "option"],
    [() => checkOptions({ device: "gpu" }), "option"],
  ];
  for (const [action, code] of codes) assert.equal((await thrown(action)).code, code);
  const { message } = await thrown(() => checkOptions({ onProgress: () => {} }));
  const known = "supported: signal, device, context, precision, cache, hub, revision, token";
  assert.equal(message, `check: onProgress is not an option; ${known}`);
});
