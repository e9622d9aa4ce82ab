// What the processor's module asks of its threads' surroundings: to sleep until another has come as far, and to wake it.

/** What the module calls by these names. */
export interface Surroundings extends WebAssembly.ModuleImports {
  memory: WebAssembly.Memory;
  wait(word: number, whileIs: number): void;
  wake(word: number): void;
}

/** What of the module is called; addresses are numbers without sign, which may come back with one. */
export interface ModuleExports {
  readonly __stack_pointer: WebAssembly.Global;
  allocate(bytes: number): number;
  pack_matrix(matrix: number): number;
  team(threads: number): void;
  run_program(program: number, ops: number, position: number, rows: number): void;
  /** Helps in the run after `last`, and returns its number. */
  serve(thread: number, last: number): number;
}

/** What a thread is given to begin with. */
export interface ThreadStart {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** From 1 on: the one that begins runs is 0. */
  thread: number;
  /** The top of its stack. */
  stack: number;
  /** The word that it sets when it fails. */
  failed: number;
}

/** A sleep without end would not notice a thread that is gone. `onSleep` hears of each, and whether nobody ended it. */
export function surroundings(
  memory: WebAssembly.Memory,
  sleepMs: number,
  onSleep?: (silent: boolean) => void,
): Surroundings {
  const words = new Int32Array(memory.buffer);
  return {
    memory,
    wait(word, whileIs) {
      const ended = Atomics.wait(words, word >>> 2, whileIs, sleepMs);
      onSleep?.(ended === "timed-out");
    },
    wake(word) {
      Atomics.notify(words, word >>> 2);
    },
  };
}
