// Every shader that the core can hand to WebGPU compiles in the browser's own compiler, down to a pipeline.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { start } from "./browser.mjs";

const { open } = await start(after);

test("every linked shader becomes a pipeline, without a word from the compiler", async () => {
  const page = await open("blank.html");
  const { names, faults } = await page.evaluate(async () => {
    const engine = await import("/oriel/wasm/oriel.js");
    await engine.default({ module_or_path: "/oriel/wasm/oriel_bg.wasm" });
    const adapter = await navigator.gpu.requestAdapter();
    const requiredFeatures = ["shader-f16"].filter((feature) => adapter.features.has(feature));
    const device = await adapter.requestDevice({ requiredFeatures });
    const names = [];
    const faults = [];
    for (const { name, wgsl, workgroup, halves } of engine.shaders()) {
      // The engine takes kernels with halves only where the device has them.
      if (halves && !device.features.has("shader-f16")) continue;
      names.push(name);
      const module = device.createShaderModule({ label: name, code: wgsl });
      const { messages } = await module.getCompilationInfo();
      faults.push(...messages.map(({ lineNum, message }) => `${name}: line ${lineNum}: ${message}`));
      const compute = { module, entryPoint: "main", constants: { WORKGROUP: workgroup } };
      const pipeline = device.createComputePipelineAsync({ layout: "auto", compute });
      await pipeline.catch(({ message }) => faults.push(`${name}: ${message}`));
    }
    return { names, faults };
  });
  assert.deepEqual(faults, []);
  for (const kernel of ["attention", "embed", "matmul", "matvec", "rms_norm", "rope"]) {
    assert.ok(
      names.some((name) => name.startsWith(`${kernel},`)),
      `${kernel} is not among: ${names.join("; ")}`,
    );
  }
});
