// What callers name as a model: which files it means, and what is asked of a hub.

import assert from "node:assert/strict";
import test, { afterEach } from "node:test";
import { sources, thrown } from "./sources.mjs";

const { wanted, resolve: resolveFrom, Files } = await sources(["source", "resolve", "supply"]);

const around = { base: "https://site.test/app/", hub: "https://hub.test/", revision: "main" };
const never = new AbortController().signal;
const SHA = "ab".repeat(32);
/** What was said of a choice among files. */
const said = [];
/** With so much room on the device. */
const resolve = (found, signal, bytes = 2e9) => {
  const room = async () => ({ device: "webgpu", bytes });
  return resolveFrom(found, signal, new Files(false, (notice) => said.push(notice)), room);
};
const urls = (files) => files.map(({ name, place }) => `${name} ${place.url}`);

const realFetch = globalThis.fetch;
afterEach(() => (globalThis.fetch = realFetch));

/** A hub with one repository of these files, of ten bytes where no others are given. */
function hubWith(files, sizes = {}) {
  const asked = [];
  globalThis.fetch = async (url) => {
    asked.push(url);
    if (!url.startsWith("https://hub.test/api/models/owner/name/tree/")) return new Response("", { status: 401 });
    const entry = (path, size) => ({ type: "file", path, size, oid: "git", lfs: { oid: SHA, size } });
    return Response.json(files.map((path) => entry(path, sizes[path] ?? 10)));
  };
  return asked;
}

test("an address of one file, relative to the page", async () => {
  const { kind, side, weights } = await wanted("../models/a%20b.gguf?download=true", around);
  assert.equal(kind, "files");
  assert.deepEqual(side, []);
  assert.deepEqual(urls(weights), ["a b.gguf https://site.test/models/a%20b.gguf?download=true"]);
});

test("an address of a checkpoint: its folder, its config, a shard, or its one file", async () => {
  const base = "https://site.test/gpt2/";
  for (const at of ["/gpt2/", "/gpt2/config.json", "/gpt2/model-00001-of-00002.safetensors"]) {
    assert.deepEqual(await wanted(at, around), { kind: "folder", base });
  }
  const one = await wanted("/gpt2/tuned.safetensors", around);
  assert.deepEqual(one, { kind: "folder", base, weights: `${base}tuned.safetensors` });

  const { side, weights } = await resolve(await wanted("/gpt2/", around), never);
  assert.deepEqual(
    side.filter(({ needed }) => needed).map(({ name }) => name),
    ["config.json", "tokenizer.json"],
  );
  assert.ok(side.some(({ name }) => name === "model.safetensors.index.json"));
  assert.deepEqual(urls(weights(["model.safetensors"])), [`model.safetensors ${base}model.safetensors`]);
  assert.deepEqual(urls((await resolve(one, never)).weights(["x"])), [`tuned.safetensors ${base}tuned.safetensors`]);
});

test("bytes, blobs and files are one file each", async () => {
  const bytes = await wanted(new ArrayBuffer(3), around);
  assert.deepEqual([bytes.weights[0].name, bytes.weights[0].place.blob.size], ["model", 3]);
  const file = await wanted(new File(["abc"], "m.gguf"), around);
  assert.deepEqual([file.weights[0].name, file.weights[0].size], ["m.gguf", 3]);
});

test("several files make a checkpoint, whatever else is among them", async () => {
  const files = ["model-2.safetensors", "notes.txt", "config.json", "model-1.safetensors", "tokenizer.json"];
  const found = await wanted(
    files.map((name) => new File([name], name)),
    around,
  );
  assert.deepEqual(
    found.side.map(({ name }) => name),
    ["config.json", "tokenizer.json"],
  );
  const { weights } = await resolve(found, never);
  const order = ["model-2.safetensors", "model-1.safetensors"];
  assert.deepEqual(
    weights(order).map(({ name }) => name),
    order,
  );

  const error = await thrown(wanted([new File([""], "a.safetensors"), new File([""], "config.json")], around));
  assert.equal(error.code, "not-found");
  assert.match(error.message, /tokenizer\.json is missing .*: a\.safetensors, config\.json/);
});

test("parts one by one keep the names that the core knows", async () => {
  const parts = { config: "/x/c.json", tokenizer: new Blob(["{}"]), weights: ["/x/w.safetensors"] };
  const { side, weights } = await wanted(parts, around);
  assert.deepEqual(
    side.map(({ name }) => name),
    ["config.json", "tokenizer.json"],
  );
  assert.equal(side[0].place.url, "https://site.test/x/c.json");
  assert.equal(weights[0].name, "w.safetensors");
  assert.match((await thrown(wanted({ ...parts, vocabulary: "x" }, around))).message, /vocabulary is not a part/);
});

test("what means nothing is refused", async () => {
  const two = [new File([""], "a.gguf"), new File([""], "b.gguf")];
  for (const source of [5, {}, null, [], two, "http://[", "hf:owner", "hf:a b/c", "hf:owner/name/readme.md"]) {
    const { code } = await thrown(wanted(source, around));
    assert.ok(code === "option" || code === "not-found", `${source}: ${code}`);
  }
});

test("a GGUF named on the hub has its size and sum from the list", async () => {
  const asked = hubWith(["q/m.gguf"]);
  const { side, weights } = await resolve(await wanted("hf:owner/name/q/m.gguf", around), never);
  assert.deepEqual([side, asked], [[], ["https://hub.test/api/models/owner/name/tree/main/q"]]);
  const place = { url: "https://hub.test/owner/name/resolve/main/q/m.gguf" };
  assert.deepEqual(weights([]), [{ name: "m.gguf", place, size: 10, oid: SHA, sha256: SHA }]);
  const absent = await thrown(wanted("hf:owner/name/q/n.gguf", around).then((found) => resolve(found, never)));
  assert.match(absent.message, /has no q\/n\.gguf; it holds: q\/m\.gguf/);
});

const USUAL = ["README.md", "m-Q8_0.gguf", "m.Q4_K_M.gguf", "m-f16.gguf", "m-q4_0.gguf"];
const QUANTISED = [...USUAL, "m-IQ2_XS.gguf", "mmproj-F16.gguf"];
const SIZES = { "m-Q8_0.gguf": 1000, "m.Q4_K_M.gguf": 600, "m-f16.gguf": 2000, "m-q4_0.gguf": 550 };

test("of a repository's GGUF files the one that fits the device best, and it is said", async () => {
  const asked = hubWith(QUANTISED, SIZES);
  const found = await wanted("hf:owner/name", { ...around, revision: "v1/x" });
  const best = async (bytes) => (await resolve(found, never, bytes)).weights([])[0];
  const { place } = await best(5000);
  assert.deepEqual(asked, ["https://hub.test/api/models/owner/name/tree/v1%2Fx"]);
  assert.equal(place.url, "https://hub.test/owner/name/resolve/v1%2Fx/m.Q4_K_M.gguf");
  assert.equal(said.at(-1), "of 4 quantisations of owner/name Q4_K_M fits the GPU best: m.Q4_K_M.gguf");
  // Little room, hardly any, and plenty for a small model.
  const names = await Promise.all([650, 10, 20_000].map(async (bytes) => (await best(bytes)).name));
  assert.deepEqual(names, ["m-q4_0.gguf", "m-q4_0.gguf", "m-Q8_0.gguf"]);
});

test("a quantisation by its name; what is split or not there is refused", async () => {
  hubWith([...QUANTISED, "m-Q6_K-00001-of-00002.gguf", "m-Q6_K-00002-of-00002.gguf"], SIZES);
  const by = async (name) => resolve(await wanted(`hf:owner/name:${name}`, around), never);
  assert.equal((await by("Q4_K_M")).weights([])[0].name, "m.Q4_K_M.gguf");
  assert.equal((await by("q8_0")).weights([])[0].name, "m-Q8_0.gguf");
  const absent = await thrown(by("Q4_K"));
  assert.deepEqual([absent.code, /has no GGUF file of the kind Q4_K; it holds: /.test(absent.message)], ["not-found", true]);
  const split = await thrown(by("Q6_K"));
  assert.deepEqual([split.code, /has Q6_K only split in several files/.test(split.message)], ["unsupported", true]);
  const part = "m-00001-of-00002.gguf";
  for (const source of [`hf:owner/name/${part}`, `/${part}`, [new File(["x"], part)]]) {
    const refused = await thrown(wanted(source, around));
    assert.deepEqual([refused.code, /is a part of a GGUF that is split/.test(refused.message)], ["unsupported", true]);
  }
  hubWith(["m-IQ2_XS.gguf", "m-IQ1_S.gguf", "m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf"]);
  const error = await thrown(wanted("hf:owner/name", around).then((found) => resolve(found, never)));
  assert.equal(error.code, "unsupported");
  assert.match(error.message, /it holds: m-IQ2_XS\.gguf/);
});

test("a token goes with the hub's places only; without an hf: name it is refused", async () => {
  hubWith(["m.gguf"]);
  const found = await wanted("hf:owner/name/m.gguf", { ...around, token: "secret" });
  const [{ place }] = (await resolve(found, never)).weights([]);
  assert.deepEqual(place, { url: "https://hub.test/owner/name/resolve/main/m.gguf", token: "secret" });
  assert.equal((await thrown(wanted("/m.gguf", { ...around, token: "secret" }))).code, "option");
});

test("a repository with a checkpoint gives its files, those that are there", async () => {
  hubWith(["config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "generation_config.json"]);
  const { side, weights } = await resolve(await wanted("hf:owner/name", around), never);
  assert.deepEqual(
    side.map(({ name }) => name),
    ["config.json", "tokenizer.json", "generation_config.json"],
  );
  const [file] = weights(["model.safetensors"]);
  assert.deepEqual([file.size, file.place.url], [10, "https://hub.test/owner/name/resolve/main/model.safetensors"]);
  assert.match((await thrown(() => weights(["model-00001-of-00002.safetensors"]))).message, /has no model-00001/);
});

test("a weight file that is named takes what stands beside it", async () => {
  const beside = ["v2/config.json", "v2/tokenizer.json", "v2/a.safetensors", "v2/model.safetensors.index.json"];
  const asked = hubWith(beside);
  const { side, weights } = await resolve(await wanted("hf:owner/name/v2/a.safetensors", around), never);
  assert.deepEqual(asked, ["https://hub.test/api/models/owner/name/tree/main/v2"]);
  assert.deepEqual(
    side.map(({ name }) => name),
    ["config.json", "tokenizer.json"],
  );
  const at = "https://hub.test/owner/name/resolve/main/v2/a.safetensors";
  assert.deepEqual(urls(weights(["model.safetensors"])), [`a.safetensors ${at}`]);
});

test("a repository that is not there, or has nothing to read, is named", async () => {
  hubWith([]);
  const absent = await thrown(wanted("hf:owner/other", around).then((found) => resolve(found, never)));
  assert.equal(absent.code, "not-found");
  const advice = "the option token opens a private one";
  assert.equal(absent.message, `owner/other is not on https://hub.test, or it is private; ${advice}`);
  hubWith(["pytorch_model.bin"]);
  const useless = await thrown(wanted("hf:owner/name", around).then((found) => resolve(found, never)));
  assert.match(useless.message, /has no config\.json; it holds: pytorch_model\.bin/);
});
