// Downloads that are kept, against a hub and a file system in memory: what is asked, what is stored, and what is said.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test, { after, beforeEach } from "node:test";
import { serveHub } from "../page/hub.mjs";
import { browserStorage } from "./opfs.mjs";
import { sources, thrown } from "./sources.mjs";

const modules = ["source", "resolve", "supply", "bytes", "storage", "loading"];
const { Files, loadModel, readWhole, resolve, storage, wanted } = await sources(modules);

const MIB = 2 ** 20;
/** Several blocks and a part of one. */
const model = new Uint8Array(randomBytes(3 * MIB + 77));
const CUT = 2 * MIB + 1001;
const checkpoint = { "config.json": Buffer.from("{}"), "tokenizer.json": Buffer.from("[]") };
const repositories = {
  "tiny/one": { "m.gguf": model },
  "tiny/folder": { ...checkpoint, "model.safetensors": model },
};
const hub = await serveHub(repositories);
after(() => hub.close());
const disk = browserStorage();
beforeEach(async () => {
  await storage.clear();
  Object.assign(disk, { room: Number.POSITIVE_INFINITY });
  for (const fault of Object.keys(hub.order)) delete hub.order[fault];
  hub.asked.length = 0;
});

const never = new AbortController().signal;
const around = { base: "https://site.test/", hub: hub.address, revision: "main" };
const lines = () => hub.asked.splice(0).map(({ host, line }) => `${host} ${line}`);

/** All files of a model, and what was said meanwhile. */
async function read(source, signal = never) {
  const said = [];
  const files = new Files(true, (...notice) => said.push(notice));
  const room = async () => ({ device: "cpu", bytes: 1e9 });
  const listing = await resolve(await wanted(source, around), signal, files, room);
  const side = await Promise.all(listing.side.map((file) => files.side(file, signal)));
  const bytes = [];
  for (const file of listing.weights(["model.safetensors"])) {
    bytes.push(await readWhole(await files.ask(file, signal), signal));
  }
  return { side: side.map(({ name }) => name), bytes: Buffer.concat(bytes), said };
}

test("cut off, it goes on at its byte with the sum of the whole; then nothing but the list is asked", async () => {
  hub.order.cut = CUT;
  const { code } = await thrown(read("hf:tiny/one"));
  assert.equal(code, "network");
  const [{ bytes: have, whole, totalBytes }] = await storage.list();
  assert.deepEqual([have, whole, totalBytes], [CUT, false, model.length]);
  delete hub.order.cut;
  lines();
  assert.ok((await read("hf:tiny/one")).bytes.equals(model));
  assert.deepEqual(lines(), ["hub GET all", `hub GET bytes=${CUT}-`, `store GET bytes=${CUT}-`]);
  assert.ok((await read("hf:tiny/one")).bytes.equals(model));
  assert.deepEqual(lines(), ["hub GET all"]);
});

test("a damaged block, and one that is missing at the end, are fetched again and said", async () => {
  await read("hf:tiny/one");
  const [{ key }] = await storage.list();
  const stored = disk.files.get(`${key}.bin`);
  stored.bytes[MIB + 5] ^= 1;
  stored.bytes = stored.bytes.slice(0, -10);
  lines();
  const { bytes, said } = await read("hf:tiny/one");
  assert.ok(bytes.equals(model));
  assert.deepEqual(said.map(([, { at }]) => at), [MIB, 3 * MIB]);
  const ranges = lines().filter((line) => line.startsWith("store"));
  const expected = [`${MIB}-${2 * MIB - 1}`, `${3 * MIB}-${model.length - 1}`].map((range) => `store GET bytes=${range}`);
  assert.deepEqual(ranges.sort(), expected);
  assert.deepEqual((await read("hf:tiny/one")).said, []);
});

test("other bytes than the list says are refused, and not kept", async () => {
  const other = Buffer.from(model);
  other[9] ^= 1;
  hub.order.instead = other;
  const error = await thrown(read("hf:tiny/one"));
  assert.deepEqual([error.code, /^m\.gguf: its SHA-256 is/.test(error.message)], ["file-damaged", true]);
  assert.deepEqual(await storage.list(), []);
});

test("without a network what is stored counts: lists, files, and that one is absent", async () => {
  const before = await read("hf:tiny/folder");
  hub.order.gone = true;
  const { side, bytes } = await read("hf:tiny/folder");
  assert.deepEqual([side, bytes.equals(before.bytes)], [before.side, true]);
  assert.equal((await thrown(read("hf:tiny/one"))).code, "network");
});

test("no room at first sight, and none in mid-download: an error, nothing of the file, the rest untouched", async () => {
  await read("hf:tiny/folder");
  const before = await storage.list();
  disk.room = [...disk.files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0) + MIB;
  const early = await thrown(read("hf:tiny/one"));
  assert.equal(early.code, "quota", early.message);
  assert.match(early.message, /m\.gguf can't be stored: \d+ bytes of room are missing; delete a stored model/);
  // A browser that tells less than it takes.
  navigator.storage.estimate = async () => ({});
  const late = await thrown(read("hf:tiny/one"));
  assert.equal(late.code, "quota", late.message);
  assert.deepEqual(await storage.list(), before);
});

test("two at once: one download", async () => {
  const both = await Promise.all([read("hf:tiny/one"), read("hf:tiny/one")]);
  assert.ok(both.every(({ bytes }) => bytes.equals(model)));
  assert.deepEqual(lines().filter((line) => line.startsWith("store")), ["store GET all"]);
});

test("a file that the core refuses ahead of its bytes is let go of: the load ends, and another can follow", async () => {
  const begin = () => {
    throw { code: "file-damaged", message: "m.gguf: every file of this model has come already" };
  };
  const engine = { open: async () => ({ begin, wanted: () => [], free: () => undefined }) };
  const place = await wanted("hf:tiny/one/m.gguf", around);
  for (const _ of "12") {
    const error = await thrown(loadModel(engine, place, { device: "cpu", storage: "auto" }, () => undefined, never));
    assert.equal(error.code, "file-damaged");
  }
  assert.deepEqual(await storage.list(), []);
});

test("what is stored says whether its address is shown whole: one with a query is stored under more", async () => {
  const address = `${hub.address}/tiny/one/resolve/main/m.gguf`;
  await read(`${address}?download=true`);
  assert.deepEqual((await storage.list()).map(({ url, exactUrl }) => [url, exactUrl]), [[address, false]]);
  await storage.clear();
  await read(address);
  assert.deepEqual((await storage.list()).map(({ url, exactUrl }) => [url, exactUrl]), [[address, true]]);
});
