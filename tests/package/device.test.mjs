// Where a model runs, by what was asked for and what the browser offers, and what is said of it.

import assert from "node:assert/strict";
import test from "node:test";
import { sources, thrown } from "./sources.mjs";

const { choose: chosen } = await sources(["device"]);

/** Nothing but software is measured. */
const unmeasured = () => assert.fail("nothing is to be measured");
const choose = (asked, gpu, measure = unmeasured) => chosen(asked, gpu, measure);

/** A browser's WebGPU with one adapter, or none. */
const gpu = (adapter = null) => ({ requestAdapter: async () => adapter });
const named = (info, more) => gpu({ info: { description: "", vendor: "", architecture: "", ...info }, ...more });
const auto = { device: "auto", precision: "auto", activations: "auto", instructions: "auto" };

test("a real GPU comes first, by the name that the browser tells", async () => {
  const choice = await choose(auto, named({ vendor: "nvidia", architecture: "ampere" }));
  assert.deepEqual(choice, { device: "webgpu", reason: "the browser offers a GPU", adapterName: "nvidia ampere" });
  assert.equal((await choose(auto, gpu({}))).device, "webgpu", "a browser that tells nothing");
});

test("software that passes for a GPU is told by name or by the browser, and taken only if it measures faster", async () => {
  const adapters = [
    named({ vendor: "google", architecture: "swiftshader" }),
    named({ description: "llvmpipe (LLVM 19.1.7, 256 bits)" }),
    named({ description: "Microsoft Basic Render Driver" }),
    named({ vendor: "microsoft" }),
    named({ vendor: "mesa", isFallbackAdapter: true }),
    named({}, { isFallbackAdapter: true }),
  ];
  for (const adapter of adapters) {
    const measure = (speed) => async () => ({ adapter: speed * 1e9, processor: 12.34e9 });
    const slower = await choose(auto, adapter, measure(3));
    assert.equal(slower.device, "cpu");
    assert.match(slower.reason, /is no GPU, but software: it multiplies 3\.0 GB\/s of weights, the processor 12\.3$/);
    const faster = await choose(auto, adapter, measure(20));
    assert.equal(faster.device, "webgpu");
    assert.match(faster.reason, /is no GPU, but software: it multiplies 20\.0 GB\/s of weights, the processor 12\.3$/);
    assert.equal((await choose(auto, adapter, measure(12.34))).device, "cpu", "a tie leaves the adapter to the page");
    assert.equal((await choose(auto, adapter, measure(0))).device, "cpu", "an adapter that refuses");
    assert.equal((await choose({ ...auto, device: "webgpu" }, adapter)).device, "webgpu", "whoever asks for it gets it");
  }
});

test("the measurement is told which adapter and what the processor may use", async () => {
  const told = [];
  const measure = async (...given) => (told.push(given), { adapter: 1, processor: 2 });
  const asked = { ...auto, threads: 2 };
  await choose(asked, named({ description: "SwiftShader" }), measure);
  assert.deepEqual(told, [["SwiftShader", asked]]);
});

test("without an adapter the processor computes, unless WebGPU was asked for", async () => {
  assert.match((await choose(auto, gpu())).reason, /no graphics adapter/);
  assert.match((await choose(auto, undefined)).reason, /WebGPU/);
  for (const browser of [gpu(), undefined]) {
    assert.equal((await choose(auto, browser)).device, "cpu");
    assert.equal((await thrown(choose({ ...auto, device: "webgpu" }, browser))).code, "no-webgpu");
  }
});

test("what only the processor can do leads to it", async () => {
  const real = named({ vendor: "apple" });
  assert.equal((await choose({ ...auto, device: "cpu" }, real)).device, "cpu");
  const { device, reason } = await choose({ ...auto, activations: "int8" }, real);
  assert.equal(device, "cpu");
  assert.match(reason, /no products of packed bytes for int8 activations/);
  assert.equal((await choose({ ...auto, activations: "f32" }, real)).device, "webgpu");
  const packing = { ...real, wgslLanguageFeatures: new Set(["packed_4x8_integer_dot_product"]) };
  assert.equal((await choose({ ...auto, activations: "int8" }, packing)).device, "webgpu");
  assert.equal((await choose({ ...auto, activations: "int16" }, packing)).device, "webgpu");
});
