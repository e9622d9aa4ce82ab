// oriel/inline: all of `oriel` in one file, its workers and its WebAssembly within, for pages that can have no other.

export * from "./index.js";
