// Answers of servers: what is no model, and streams that end too early, are told apart and named.

import assert from "node:assert/strict";
import test, { afterEach } from "node:test";
import { sources, thrown } from "./sources.mjs";

const { ask, chunks, readWhole, sniff } = await sources(["bytes"]);

const realFetch = globalThis.fetch;
afterEach(() => (globalThis.fetch = realFetch));

const never = new AbortController().signal;
const file = { name: "m.gguf", place: { url: "https://site.test/m.gguf" } };
const text = new TextEncoder();

/** Answers with these chunks; an Error among them breaks the stream. */
function serve(parts, { status = 200, headers = {}, type = "basic" } = {}) {
  globalThis.fetch = async () => {
    let next = 0;
    const body = new ReadableStream({
      pull(controller) {
        const part = parts[next++];
        if (part === undefined) controller.close();
        else if (part instanceof Error) controller.error(part);
        else controller.enqueue(text.encode(part));
      },
    });
    const response = new Response(body, { status, headers });
    return Object.defineProperty(response, "type", { value: type });
  };
}

const read = async () => Buffer.from(await readWhole(await ask(file, never), never)).toString();

test("a stream without a length is read to its end", async () => {
  serve(["GG", "UF"]);
  assert.equal(await read(), "GGUF");
});

test("statuses are told apart", async () => {
  const cases = [
    [404, "not-found", /answered 404.*no such file/],
    [403, "not-found", /answered 403.*private/],
    [429, "network", /wait/],
    [503, "network", /expected 200/],
    [206, "network", /expected 200/],
  ];
  for (const [status, code, message] of cases) {
    serve(["x"], { status });
    const error = await thrown(read);
    assert.equal(error.code, code);
    assert.match(error.message, message);
  }
});

test("a server that can't be reached, or that says nothing of CORS, is named", async () => {
  globalThis.fetch = async () => Promise.reject(new TypeError("Failed to fetch"));
  const error = await thrown(read);
  assert.deepEqual([error.code, error.recoverable], ["network", true]);
  assert.match(error.message, /^https:\/\/site\.test\/m\.gguf could not be fetched.*CORS/);
});

test("a web page in a model's place is named, by its type or by its first bytes", async () => {
  serve(["<p>"], { headers: { "content-type": "text/html; charset=utf-8" } });
  assert.equal((await thrown(read)).code, "not-a-model");
  for (const start of ["  <!DOCTYPE html>", "<html lang=en>", "version https://git-lfs.github.com/spec/v1"]) {
    assert.equal((await thrown(() => sniff("m.gguf", text.encode(start)))).code, "not-a-model");
  }
  sniff("m.gguf", text.encode("GGUF<!doctype"));
});

test("a stream that ends before its length is truncated", async () => {
  serve(["GGUF"], { headers: { "content-length": "9" } });
  const error = await thrown(read);
  assert.deepEqual([error.code, error.recoverable], ["truncated", true]);
  assert.match(error.message, /m\.gguf ended after 4 of 9 bytes/);
});

test("a stream that breaks says how far it came", async () => {
  serve(["GGUF", new Error("reset")], { headers: { "content-length": "9" } });
  const error = await thrown(read);
  assert.equal(error.code, "network");
  assert.match(error.message, /broke off after 4 of 9 bytes/);
});

test("the length of a compressed transfer does not count", async () => {
  const long = { "content-length": "2" };
  serve(["GGUF"], { headers: { ...long, "content-encoding": "gzip" } });
  assert.equal(await read(), "GGUF");
  serve(["GGUF"], { headers: long, type: "cors" });
  assert.equal(await read(), "GGUF");
  // What can't be made shorter comes out longer.
  serve(["GGUF"], { headers: { "content-length": "29", "content-encoding": "gzip" } });
  assert.equal(await read(), "GGUF");
  serve(["GGUF"], { headers: long });
  assert.equal((await thrown(read)).code, "truncated");
});

test("a listing's length counts before the server's", async () => {
  serve(["GGUF"], { headers: { "content-length": "9" } });
  const opened = await ask({ ...file, size: 4 }, never);
  assert.deepEqual([opened.length, opened.exact], [4, true]);
});

test("an abort ends a stream that stands still", async () => {
  const controller = new AbortController();
  const body = new ReadableStream({
    start: (stream) => controller.signal.addEventListener("abort", () => stream.error(1)),
  });
  const opened = { name: "m", length: undefined, exact: false, source: "network", body };
  setTimeout(() => controller.abort(), 5);
  const error = await thrown(async () => {
    for await (const _ of chunks(opened, controller.signal));
  });
  assert.equal(error.code, "aborted");
});
