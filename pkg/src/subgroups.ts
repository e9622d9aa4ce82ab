// wgpu 30 has no name for WebGPU's `subgroups` on the web, and so can't ask for them: whoever asks an adapter for a device
// in this worker gets them too, where the adapter has them. Once wgpu asks by itself, this changes nothing and can go.

/** What of an adapter is used here. */
interface Adapter {
  features: ReadonlySet<string>;
  requestDevice(descriptor?: Descriptor): Promise<unknown>;
}
interface Descriptor {
  requiredFeatures?: Iterable<string>;
}

/** Wraps `requestDevice` of this worker's adapters. */
export function askForSubgroups(scope: object = globalThis): void {
  const adapters = (scope as { GPUAdapter?: { prototype: Adapter } }).GPUAdapter?.prototype;
  if (!adapters) return;
  const { requestDevice } = adapters;
  adapters.requestDevice = function (this: Adapter, descriptor: Descriptor = {}) {
    const wanted = new Set(descriptor.requiredFeatures);
    if (this.features.has("subgroups")) wanted.add("subgroups");
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [...wanted] });
  };
}
