// What was asked for, and what the browser offers -> where the model runs, and why there.

import type { EngineOptions } from "./engine.js";
import { OrielError } from "./errors.js";
import type { Speeds } from "./tunings.js";

/** Where a model runs. */
export interface Choice {
  device: "webgpu" | "cpu";
  /** Why there: a sentence for people. */
  reason: string;
  /** What the browser calls the adapter, where it tells. */
  adapterName?: string | undefined;
  /** Bytes that the adapter binds at once, where it is taken. */
  bindingLimit?: number;
}

/** What of WebGPU is used here; everything else is the core's. */
export interface Gpu {
  wgslLanguageFeatures?: { has(name: string): boolean };
  requestAdapter(options: { powerPreference: "high-performance" }): Promise<GpuAdapter | null>;
}

export interface GpuAdapter {
  isFallbackAdapter?: boolean;
  limits?: { maxStorageBufferBindingSize: number; maxBufferSize: number };
  info?: { description: string; vendor: string; architecture: string; isFallbackAdapter?: boolean };
}

/** What of a load's options has a say. */
export type Asked = Pick<EngineOptions, "device" | "activations"> & Partial<Pick<EngineOptions, "threads" | "instructions">>;

/** Measures a software adapter of that name against the processor, or remembers it. What can't be used has a speed of 0. */
export type Measure = (adapterName: string | undefined, asked: Asked) => Promise<Speeds>;

/** Names under which a processor passes for a graphics card. Microsoft makes no other adapter than its rasteriser. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|^microsoft$/i;

/** What shaders that multiply whole numbers are written with. */
const PACKED = "packed_4x8_integer_dot_product";

/**
 * A real GPU first. A rasteriser computes on the processor as well: it is taken only where it measures faster than the
 * processor's own path.
 * @throws OrielError `no-webgpu` where the GPU is asked for and there is none.
 */
export async function choose(asked: Asked, gpu: Gpu | undefined, measure: Measure): Promise<Choice> {
  if (asked.device === "cpu") return { device: "cpu", reason: "the processor was asked for" };
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    const reason = missing(gpu);
    if (asked.device === "webgpu") throw new OrielError("no-webgpu", reason);
    return { device: "cpu", reason };
  }
  const adapterName = nameOf(adapter);
  const { maxStorageBufferBindingSize: most, maxBufferSize } = adapter.limits ?? {};
  const limits = most && maxBufferSize ? { bindingLimit: Math.min(most, maxBufferSize) } : {};
  if (asked.device === "webgpu") return { device: "webgpu", reason: "WebGPU was asked for", adapterName, ...limits };
  if (isSoftware(adapter)) {
    const speeds = await measure(adapterName, asked);
    const [adapterRate, rate] = [speeds.adapter, speeds.processor].map((bytes) => (bytes / 1e9).toFixed(1));
    const measured = `multiplies ${adapterRate} GB/s of weights, the processor ${rate}`;
    const reason = `the only adapter, ${adapterName ?? "without a name"}, is no GPU, but software: it ${measured}`;
    if (speeds.adapter <= speeds.processor) return { device: "cpu", reason };
    return { device: "webgpu", reason, adapterName, ...limits };
  }
  const { activations } = asked;
  if ((activations === "int8" || activations === "int16") && !gpu?.wgslLanguageFeatures?.has(PACKED)) {
    return { device: "cpu", reason: `this browser's WebGPU has no products of packed bytes for ${activations} activations` };
  }
  return { device: "webgpu", reason: "the browser offers a GPU", adapterName, ...limits };
}

/** Why there is no adapter. */
export function missing(gpu: Gpu | undefined): string {
  if (gpu) return "the browser offers WebGPU, but no graphics adapter for it: hardware acceleration may be off";
  return globalThis.isSecureContext
    ? "this browser does not offer WebGPU; recent versions of Chrome, Edge, Safari and Firefox do"
    : "browsers offer WebGPU only to pages from https:// or localhost, and this page is from neither";
}

function isSoftware({ isFallbackAdapter, info }: GpuAdapter): boolean {
  const names = [info?.description, info?.architecture, info?.vendor];
  return (isFallbackAdapter || info?.isFallbackAdapter || names.some((name) => name && SOFTWARE.test(name))) ?? false;
}

/** As much of the adapter's name as the browser tells: often no more than the vendor and the family. */
function nameOf({ info }: GpuAdapter): string | undefined {
  return info?.description || [info?.vendor, info?.architecture].filter(Boolean).join(" ") || undefined;
}
