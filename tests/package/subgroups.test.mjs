// The worker's adapters are asked for subgroups where they have them, and for nothing else that was not asked for.

import assert from "node:assert/strict";
import test from "node:test";
import { sources } from "./sources.mjs";

const { askForSubgroups } = await sources(["subgroups"]);

/** A scope whose adapters tell what they were asked for. */
function scope() {
  class GPUAdapter {
    constructor(...features) {
      this.features = new Set(features);
    }
    requestDevice(descriptor) {
      return { adapter: this, descriptor };
    }
  }
  return { GPUAdapter };
}

test("an adapter that has subgroups is asked for them", () => {
  const fake = scope();
  askForSubgroups(fake);
  const adapter = new fake.GPUAdapter("subgroups", "shader-f16");
  const asked = adapter.requestDevice({ label: "x", requiredFeatures: ["timestamp-query"] });
  assert.equal(asked.adapter, adapter);
  assert.deepEqual(asked.descriptor, { label: "x", requiredFeatures: ["timestamp-query", "subgroups"] });
  assert.deepEqual(adapter.requestDevice().descriptor, { requiredFeatures: ["subgroups"] });
});

test("one that has none, or is asked already, is asked for no more", () => {
  const fake = scope();
  askForSubgroups(fake);
  const features = (adapter, asked) => adapter.requestDevice({ requiredFeatures: asked }).descriptor.requiredFeatures;
  assert.deepEqual(features(new fake.GPUAdapter("shader-f16"), ["shader-f16"]), ["shader-f16"]);
  assert.deepEqual(features(new fake.GPUAdapter("subgroups"), ["subgroups"]), ["subgroups"]);
});

test("a scope without WebGPU stays as it is", () => {
  askForSubgroups({});
});
