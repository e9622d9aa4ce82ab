// The processor's module: its instructions chosen, its memory made, its threads started. What the core computes by where
// there is no GPU (`src/web/machine.rs` says what it asks for).

import { OrielError } from "./errors.js";
import { NEEDS, processorFile, startThread, type ModuleFile } from "./files.js";
import { surroundings, type ModuleExports, type ThreadStart } from "./team.js";

/** What a machine is to be; what is left out is for the machine to choose. */
export interface MachineOptions {
  threads?: number;
  instructions: "auto" | Instructions;
}

/** The sets of instructions that there are modules for. */
export type Instructions = "simd" | "relaxed";

/** The shortest module with a dot product of relaxed SIMD: what a browser without it does not validate. */
const RELAXED_DOT = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // magic, version
  ...[1, 5, 1, 0x60, 0, 1, 0x7b], // a type: nothing -> v128
  ...[3, 2, 1, 0], // a function of that type
  ...[10, 19, 1, 17, 0], // its code
  ...[0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15], // three of i32.const 0, i8x16.splat
  ...[0xfd, 0x93, 2, 11], // i32x4.relaxed_dot_i8x16_i7x16_add_s, end
);

/** The same with a plain addition in place of the dot product. */
const SIMD = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b],
  ...[3, 2, 1, 0],
  ...[10, 14, 1, 12, 0],
  ...[0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15],
  ...[0xfd, 0x6e, 11],
);

const PAGE_BYTES = 2 ** 16;
/** Pages that the module's own data and first stack take, and some to spare. */
const FIRST_PAGES = 32;
/** The most pages of a shared memory, the best first: some browsers refuse to set that many addresses aside. */
const MOST_PAGES = [65_536, 49_152, 32_768, 16_384, 8_192];
/** Of a thread beside the first: the kernels keep little there. */
const STACK_BYTES = 2 ** 18;
/** More would wait for one another longer than they compute. */
const MOST_THREADS = 8;
/** How long a thread may take to start. */
const START_MS = 10_000;
/** How long the first thread sleeps before it sees whether the others are well, and how often it finds them silent. */
const SLEEP_MS = 250;
const MOST_SILENCES = 40;

/** Memory, and threads that run programs over it. */
export class Machine {
  readonly #core: WebAssembly.Memory;
  readonly #instructions: Instructions;
  readonly #memory: WebAssembly.Memory;
  readonly #exports: ModuleExports;
  readonly #workers: Worker[] = [];
  #view: Uint8Array;
  #failed = 0;
  #silences = 0;
  #failure: OrielError | undefined;

  /**
   * Fetches the module and starts its threads. `core` is the memory that `copy` reads from.
   * @throws OrielError `unsupported` where the browser lacks the instructions, `option` for threads that can't be had,
   * `engine` where a file can't be fetched or a thread does not start, `out-of-memory`.
   */
  static async start(core: WebAssembly.Memory, options: MachineOptions): Promise<Machine> {
    const instructions = chosen(options.instructions);
    const threads = threadCount(options.threads);
    const module = await compiled(processorFile(instructions, threads > 1));
    const machine = new Machine(core, instructions, module, threads > 1 ? sharedMemory() : plainMemory());
    try {
      await machine.#startThreads(module, threads);
    } catch (error) {
      machine.close();
      throw error;
    }
    return machine;
  }

  private constructor(
    core: WebAssembly.Memory,
    instructions: Instructions,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
  ) {
    this.#core = core;
    this.#instructions = instructions;
    this.#memory = memory;
    this.#view = new Uint8Array(memory.buffer);
    const env = surroundings(memory, SLEEP_MS, (silent) => this.#slept(silent));
    this.#exports = new WebAssembly.Instance(module, { env }).exports as unknown as ModuleExports;
  }

  instructions(): string {
    return this.#instructions === "relaxed" ? "relaxed SIMD" : "SIMD";
  }

  threads(): number {
    return this.#workers.length + 1;
  }

  /** Room for so many bytes, all zero; 0 where there is none. */
  allocate(bytes: number): number {
    return bytes < 2 ** 32 ? this.#exports.allocate(bytes) >>> 0 : 0;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#bytes().set(bytes, at);
  }

  read(at: number, bytes: Uint8Array): void {
    bytes.set(this.#bytes().subarray(at, at + bytes.length));
  }

  /** Copies from the core's memory. */
  copy(from: number, bytes: number, at: number): void {
    this.write(at, new Uint8Array(this.#core.buffer, from, bytes));
  }

  pack(matrix: number): boolean {
    return this.#exports.pack_matrix(matrix) !== 0;
  }

  /** Runs a program to its end. A machine that has failed once stays failed: what its threads left is not known. */
  run(program: number, ops: number, position: number, rows: number): void {
    if (this.#failure) throw this.#failure;
    try {
      this.#exports.run_program(program, ops, position, rows);
    } catch (error) {
      this.#failure = error instanceof OrielError ? error : new OrielError("engine", String(error), { cause: error });
      throw this.#failure;
    }
  }

  /** Bytes of the module's memory; it never shrinks. */
  memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /** Bytes that the memory can have at most, tried out: it is of no use afterwards. */
  mostBytes(): number {
    for (let pages = 2 ** 15; pages >= 1; pages /= 2) {
      try {
        this.#memory.grow(pages);
      } catch {
        // So many there are not: half as many.
      }
    }
    return this.memoryBytes();
  }

  /** Ends the threads. The memory goes when nothing holds the machine any more. */
  close(): void {
    this.#failure ??= new OrielError("disposed", "the machine was closed");
    for (const worker of this.#workers.splice(0)) worker.terminate();
  }

  /** All of the memory: a new view after it has grown. */
  #bytes(): Uint8Array {
    if (this.#view.buffer !== this.#memory.buffer) this.#view = new Uint8Array(this.#memory.buffer);
    return this.#view;
  }

  async #startThreads(module: WebAssembly.Module, threads: number): Promise<void> {
    this.#exports.team(threads);
    if (threads === 1) return;
    this.#failed = this.#room(Int32Array.BYTES_PER_ELEMENT);
    const starts: Promise<void>[] = [];
    for (let thread = 1; thread < threads; thread += 1) {
      const stack = this.#room(STACK_BYTES) + STACK_BYTES;
      const worker = startWorker();
      this.#workers.push(worker);
      starts.push(ready(worker, { module, memory: this.#memory, thread, stack, failed: this.#failed }));
    }
    await Promise.all(starts);
  }

  #room(bytes: number): number {
    const at = this.allocate(bytes);
    if (at === 0) throw new OrielError("out-of-memory", "there is no memory for the processor's threads");
    return at;
  }

  /** The first thread has slept. Where nobody woke it, throws out of the module if that will not change. */
  #slept(silent: boolean): void {
    this.#silences = silent ? this.#silences + 1 : 0;
    if (!silent) return;
    const failed = Atomics.load(new Int32Array(this.#memory.buffer), this.#failed >>> 2);
    if (failed === 0 && this.#silences < MOST_SILENCES) return;
    const what = failed === 0 ? "a thread stopped answering" : `thread ${failed} failed`;
    throw new OrielError("engine", `${what}; load the model again`);
  }
}

/** The instructions that are asked for, or the best that the browser has. */
export function chosen(asked: MachineOptions["instructions"]): Instructions {
  const relaxed = WebAssembly.validate(RELAXED_DOT);
  if (asked === "relaxed" && !relaxed) throw new OrielError("unsupported", "this browser has no relaxed SIMD");
  if (!WebAssembly.validate(SIMD)) {
    throw new OrielError("unsupported", "this browser's WebAssembly has no SIMD, which the processor's path needs");
  }
  return asked === "auto" ? (relaxed ? "relaxed" : "simd") : asked;
}

/** The threads that are asked for, or as many as probably have a core each; one where memory can't be shared. */
function threadCount(asked: number | undefined): number {
  const offered = navigator.hardwareConcurrency || 1;
  const shared = globalThis.crossOriginIsolated && typeof Worker === "function";
  if (asked === undefined) {
    // From four on, two of them are often one core.
    return shared ? Math.min(MOST_THREADS, Math.max(Math.ceil(offered / 2), Math.min(offered, 3))) : 1;
  }
  if (asked < 1 || asked > Math.max(offered, 1)) {
    throw new OrielError("option", `load: threads is ${asked}; expected 1 to ${offered}, as many as the browser offers`);
  }
  if (asked > 1 && !shared) {
    const headers = "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";
    throw new OrielError("option", `load: threads is ${asked}; a page has more than one only with the headers ${headers}`);
  }
  return asked;
}

async function compiled({ name, open }: ModuleFile): Promise<WebAssembly.Module> {
  const failed = (reason: string, cause?: unknown) =>
    new OrielError("engine", `the processor's module could not be had: ${name} ${reason}`, { cause });
  const response = await open().catch((cause: unknown) => {
    throw failed("can't be reached", cause);
  });
  if (!response.ok) throw failed(`answered ${response.status}; ${NEEDS}`);
  try {
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (cause) {
    throw failed(`is no module for this browser: ${cause}`, cause);
  }
}

function plainMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: FIRST_PAGES });
}

/** A memory for several threads has to say how far it may grow. */
function sharedMemory(): WebAssembly.Memory {
  let refusal: unknown;
  for (const maximum of MOST_PAGES) {
    try {
      return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum, shared: true });
    } catch (error) {
      refusal = error;
    }
  }
  const least = ((MOST_PAGES.at(-1) ?? 0) * PAGE_BYTES) / 2 ** 20;
  throw new OrielError("out-of-memory", `this browser gives no shared memory of ${least} MiB`, { cause: refusal });
}

function startWorker(): Worker {
  try {
    return startThread();
  } catch (cause) {
    throw new OrielError("engine", "a thread of the processor could not be started", { cause });
  }
}

/** Until a thread serves. */
function ready(worker: Worker, start: ThreadStart): Promise<void> {
  const failed = (reason: string) => new OrielError("engine", `a thread of the processor ${reason}`);
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(failed(`did not start within ${START_MS / 1000} s`)), START_MS);
    worker.onmessage = () => {
      clearTimeout(timer);
      done();
    };
    worker.onerror = ({ message }) => {
      clearTimeout(timer);
      fail(failed(message ? `failed: ${message}` : `could not be started; ${NEEDS}`));
    };
    worker.postMessage(start);
  });
}
