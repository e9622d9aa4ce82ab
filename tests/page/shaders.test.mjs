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
    const halvesToo = ["shader-f16"].filter((feature) => adapter.features.has(feature));
    const device = await adapter.requestDevice({ requiredFeatures: ["subgroups", ...halvesToo] });
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
  for (const kernel of ["attention", "embed", "matmul", "matmul_packed", "matvec", "quantise", "rms_norm", "rope"]) {
    assert.ok(
      names.some((name) => name.startsWith(`${kernel},`)),
      `${kernel} is not among: ${names.join("; ")}`,
    );
  }
});

test("a matrix of one row by subgroups comes to the same in Chromium, whatever the size of a workgroup", async () => {
  const page = await open("blank.html");
  const apart = await page.evaluate(async () => {
    const engine = await import("/oriel/wasm/oriel.js");
    await engine.default({ module_or_path: "/oriel/wasm/oriel_bg.wasm" });
    const device = await (await navigator.gpu.requestAdapter()).requestDevice({ requiredFeatures: ["subgroups"] });
    const found = engine.shaders().find(({ name, subgroups }) => subgroups && name.startsWith("matvec, matrix f32"));
    const module = device.createShaderModule({ code: found.wgsl });
    const [outputs, inputs, blocks, epsilon] = [7, 2000, 63, 1e-5];
    const wave = (count, step) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * step));
    const [x, gain] = [new Float32Array(blocks * 32), new Float32Array(blocks * 32)];
    const matrix = wave(outputs * blocks * 32, 0.7);
    x.set(wave(inputs, 0.3));
    gain.set(wave(inputs, 0.11));
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = (values, of = usage) => {
      const made = device.createBuffer({ size: values.byteLength, usage: of });
      device.queue.writeBuffer(made, 0, values);
      return made;
    };
    const params = new DataView(new ArrayBuffer(32));
    [0, outputs, 2, blocks, inputs].forEach((value, i) => params.setUint32(i * 4, value, true));
    params.setFloat32(20, epsilon, true);
    const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / inputs + epsilon);
    const row = (o) => x.reduce((sum, value, i) => sum + value * gain[i] * matrix[o * blocks * 32 + i], 0) * scale;
    const apart = [];
    for (const lanes of [32, 64]) {
      const constants = { WORKGROUP: lanes, TEAM: lanes, NORM: 1 };
      const compute = { module, entryPoint: "main", constants };
      const pipeline = device.createComputePipeline({ layout: "auto", compute });
      const y = buffer(new Float32Array(outputs));
      const bound = [buffer(params.buffer, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST)];
      bound.push(buffer(x), buffer(gain), buffer(new Float32Array(4)), buffer(new Float32Array(4)), y);
      const groups = [
        [1, bound],
        [2, [buffer(matrix)]],
      ];
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      for (const [group, buffers] of groups) {
        const entries = buffers.map((resource, binding) => ({ binding, resource: { buffer: resource } }));
        pass.setBindGroup(group, device.createBindGroup({ layout: pipeline.getBindGroupLayout(group), entries }));
      }
      pass.dispatchWorkgroups(2);
      pass.end();
      const back = device.createBuffer({ size: outputs * 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      encoder.copyBufferToBuffer(y, 0, back, 0, outputs * 4);
      device.queue.submit([encoder.finish()]);
      await back.mapAsync(GPUMapMode.READ);
      const results = new Float32Array(back.getMappedRange());
      apart.push(...Array.from(results, (result, o) => Math.abs(result - row(o)) / Math.max(1, Math.abs(row(o)))));
    }
    return apart;
  });
  assert.equal(apart.length, 14);
  assert.ok(Math.max(...apart) < 1e-4, `${apart}`);
});
