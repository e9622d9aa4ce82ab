// The worker: WebAssembly starts here, and requests from the page go to it.

import start, { Heads, Loading, gpuSpeed, processorSpeed, version } from "./wasm/oriel.js";
import { choose, type Asked, type Choice, type Gpu } from "./device.js";
import type { Engine, EngineHeads, EngineLoading, EngineOptions } from "./engine.js";
import { toOrielError } from "./errors.js";
import { coreFile } from "./files.js";
import { Host } from "./host.js";
import { Machine } from "./machine.js";
import type { Reply, Request } from "./protocol.js";
import { watchRequests } from "./requests.js";
import { askForSubgroups } from "./subgroups.js";
import { keepSpeeds, keepTuning, keptSpeeds, keptTuning, type Speeds, type Tuning } from "./tunings.js";

/** What of a worker's scope is used; the types of pages and workers can't be had at once. */
interface WorkerScope {
  postMessage(message: Reply): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
}

/** What a machine is to be. */
type Wanted = { threads?: number | undefined; instructions: EngineOptions["instructions"] };

const scope = globalThis as unknown as WorkerScope;

async function startEngine(): Promise<Engine> {
  askForSubgroups();
  const { memory } = await start({ module_or_path: coreFile().open() });
  const { gpu } = navigator as { gpu?: Gpu };
  const measure = (adapterName: string | undefined, asked: Asked) => measured(memory, adapterName, asked);
  let choice: Choice | undefined;
  let machine: Machine | undefined;
  return {
    async open(options) {
      const { precision, cache, activations, context, frameBudget, tuning } = options;
      const core = {
        ...{ precision, cache, activations, tuning },
        ...(context === undefined ? {} : { context }),
        ...(frameBudget === undefined ? {} : { frameBudget }),
      };
      choice = await choose(options, gpu, measure);
      if (choice.device === "webgpu") {
        const adapter = choice.adapterName;
        const kept = tuning === "auto" ? await keptTuning(adapter) : undefined;
        try {
          return keeping(await Loading.open({ ...core, adapter, kept }), (tuning) => keepTuning(adapter, tuning));
        } catch (thrown) {
          const { code, message } = toOrielError(thrown);
          if (options.device !== "auto" || code !== "device") throw thrown;
          choice = { device: "cpu", reason: `the GPU refused: ${message}` };
        }
      }
      machine = await startMachine(memory, options);
      // A tuning is for the GPU that was not there after all; only where the processor was asked for is it a mistake.
      const forGpu = options.device === "auto" ? "start" : tuning;
      return openOnProcessor({ ...core, tuning: forGpu }, machine);
    },
    heads: () => new Heads() as EngineHeads,
    choose: (asked) => choose(asked, gpu, measure),
    speed: (choice) => speedOf(memory, choice),
    choice: () => choice,
    memoryBytes: () => memory.buffer.byteLength,
    processorBytes: () => machine?.memoryBytes() ?? 0,
    mostProcessorBytes: () => machine?.mostBytes() ?? 0,
  };
}

/** A software adapter against the processor: measured once for an adapter, a version, and what the processor may use. */
async function measured(core: WebAssembly.Memory, adapterName: string | undefined, asked: Asked): Promise<Speeds> {
  const { threads, instructions = "auto", activations } = asked;
  const processor = [threads ?? (globalThis.crossOriginIsolated ? "threads" : "one"), instructions, activations];
  const circumstances = [version(), ...processor].join(" ");
  const known = await keptSpeeds(adapterName, circumstances);
  if (known) return known;
  let speeds: Speeds = { adapter: 0, processor: 0 };
  // That software beats the processor has to show twice, as it is kept: then over one thread, as several on a busy machine
  // wait for those that have no core.
  for (const count of [threads, 1]) {
    // What the browser refuses has no speed; if the processor's path is refused too, opening it says why.
    const adapter = await gpuSpeed(adapterName).catch(() => 0);
    const processor = await speedOnProcessor(core, { threads: count, instructions }, activations);
    speeds = { adapter: Math.max(adapter, speeds.adapter), processor: Math.max(processor, speeds.processor) };
    if (speeds.adapter <= speeds.processor) break;
  }
  if (speeds.adapter > 0) await keepSpeeds(adapterName, circumstances, speeds);
  return speeds;
}

/** A device by itself: measured once for an adapter, a version, and what the processor may use. */
async function speedOf(core: WebAssembly.Memory, { device, adapterName }: Choice): Promise<number> {
  const onProcessor = device === "cpu";
  const circumstances = `${version()} alone ${onProcessor && globalThis.crossOriginIsolated ? "threads" : "one"}`;
  const place = onProcessor ? "the processor" : adapterName;
  const known = await keptSpeeds(place, circumstances);
  if (known) return onProcessor ? known.processor : known.adapter;
  // What is refused here is refused, and said, when a model is loaded.
  const measuring = onProcessor ? speedOnProcessor(core, { instructions: "auto" }, "auto") : gpuSpeed(adapterName);
  const speed = await measuring.catch(() => 0);
  const speeds = onProcessor ? { adapter: 0, processor: speed } : { adapter: speed, processor: 0 };
  if (speed > 0) await keepSpeeds(place, circumstances, speeds);
  return speed;
}

/** The processor by itself, on a machine that ends with the measurement. */
async function speedOnProcessor(
  core: WebAssembly.Memory,
  wanted: Wanted,
  activations: EngineOptions["activations"],
): Promise<number> {
  const machine = await startMachine(core, wanted);
  try {
    return await processorSpeed(machine, activations);
  } finally {
    machine.close();
  }
}

function startMachine(core: WebAssembly.Memory, { threads, instructions }: Wanted): Promise<Machine> {
  return Machine.start(core, { instructions, ...(threads === undefined ? {} : { threads }) });
}

/** Before a kernel is tried, which may take the tab with it, the tuning without it is kept. */
function keeping(core: Loading, keep: (tuning: Tuning) => Promise<void>): EngineLoading {
  const finish = core.finish.bind(core, keep);
  return Object.assign(core, { finish }) as unknown as EngineLoading;
}

/** The machine ends with what was loaded by it. */
function openOnProcessor(options: object, machine: Machine): EngineLoading {
  try {
    const loading = keeping(Loading.openOnProcessor(options, machine), () => Promise.resolve());
    const { finish } = loading;
    loading.finish = async () => ending(await finish(), machine);
    return ending(loading, machine);
  } catch (error) {
    machine.close();
    throw error;
  }
}

function ending<T extends { free(): void }>(held: T, machine: Machine): T {
  const free = held.free.bind(held);
  held.free = () => {
    machine.close();
    free();
  };
  return held;
}

watchRequests((note) => scope.postMessage({ kind: "request", note }));
const host = new Host(startEngine, (reply) => scope.postMessage(reply));
scope.onmessage = ({ data }) => host.receive(data);

/** A worker may end without a word; a lock that it holds ends with it, and the page hears of that. */
const lock = `oriel-${crypto.randomUUID?.() ?? Math.random()}`;
const hold = () => {
  scope.postMessage({ kind: "alive", lock });
  return new Promise<never>(() => undefined);
};
navigator.locks?.request(lock, hold).catch(() => undefined);
