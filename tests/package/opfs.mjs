// A browser's file system and locks, as far as storage uses them, in memory: for tests of what a browser rarely does.

class Stored {
  bytes = new Uint8Array();
  open = false;
}

/** Sets the globals; `disk` has its files by name, `room` the bytes that it takes at most. */
export function browserStorage() {
  const files = new Map();
  const disk = { files, room: Number.POSITIVE_INFINITY };
  const used = () => [...files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  const missing = () => new DOMException("no such file", "NotFoundError");
  const access = (stored) => ({
    read(into, { at }) {
      const part = stored.bytes.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    },
    write(bytes, { at }) {
      const end = Math.max(stored.bytes.length, at + bytes.length);
      if (used() - stored.bytes.length + end > disk.room) throw new DOMException("full", "QuotaExceededError");
      const grown = new Uint8Array(end);
      grown.set(stored.bytes);
      grown.set(bytes, at);
      stored.bytes = grown;
      return bytes.length;
    },
    truncate: (size) => (stored.bytes = stored.bytes.slice(0, size)),
    close: () => (stored.open = false),
  });
  class FileSystemFileHandle {
    constructor(stored) {
      this.stored = stored;
    }
    async getFile() {
      return new Blob([this.stored.bytes]);
    }
    async createSyncAccessHandle() {
      if (this.stored.open) throw new DOMException("open elsewhere", "NoModificationAllowedError");
      this.stored.open = true;
      return access(this.stored);
    }
  }
  const folder = {
    async getFileHandle(name, { create = false } = {}) {
      if (!files.has(name) && !create) throw missing();
      if (!files.has(name)) files.set(name, new Stored());
      return new FileSystemFileHandle(files.get(name));
    },
    async removeEntry(name) {
      if (files.get(name)?.open) throw new DOMException("in use", "NoModificationAllowedError");
      if (!files.delete(name)) throw missing();
    },
    keys: async function* () {
      yield* [...files.keys()];
    },
  };
  const queues = new Map();
  const locks = {
    request(name, _options, held) {
      const turn = (queues.get(name) ?? Promise.resolve()).then(held);
      queues.set(name, turn.catch(() => undefined));
      return turn;
    },
  };
  const storage = {
    getDirectory: async () => ({ getDirectoryHandle: async () => folder }),
    estimate: async () => ({ usage: used(), quota: disk.room }),
  };
  Object.assign(globalThis, { FileSystemFileHandle });
  Object.defineProperty(globalThis, "navigator", { value: { locks, storage }, configurable: true });
  return disk;
}
