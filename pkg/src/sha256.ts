// Bytes as they come -> their SHA-256; the platform's own wants them all at once, and a model never stands in memory whole.

/** The first 32 bits of the fractions of roots of the first primes, from which the standard takes its constants. */
function constants(count: number, root: number): Int32Array {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    if (found.every((_, place) => n % (PRIMES[place] ?? n + 1) !== 0)) {
      PRIMES[found.length] = n;
      found.push(n);
    }
  }
  return Int32Array.from(found, (prime) => ((prime ** (1 / root)) % 1) * 2 ** 32);
}

const PRIMES: number[] = [];
const ROUND = constants(64, 3);
const START = constants(8, 2);

export class Sha256 {
  readonly #state = Int32Array.from(START);
  readonly #words = new Int32Array(64);
  readonly #rest = new Uint8Array(64);
  #filled = 0;
  #bytes = 0;

  push(bytes: Uint8Array): void {
    this.#bytes += bytes.byteLength;
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(64 - this.#filled, bytes.byteLength);
      this.#rest.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < 64) return;
      this.#block(this.#rest, 0);
    }
    for (; at + 64 <= bytes.byteLength; at += 64) this.#block(bytes, at);
    this.#filled = bytes.byteLength - at;
    this.#rest.set(bytes.subarray(at));
  }

  /** In hexadecimal; nothing can be pushed after it. */
  end(): string {
    const bits = this.#bytes * 8;
    const tail = new Uint8Array((this.#filled < 56 ? 64 : 128) - this.#filled);
    tail[0] = 0x80;
    const view = new DataView(tail.buffer);
    view.setUint32(tail.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(tail.length - 4, bits >>> 0);
    this.push(tail);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #block(bytes: Uint8Array, at: number): void {
    const w = this.#words as Int32Array & number[];
    const s = this.#state as Int32Array & number[];
    const b = bytes as Uint8Array & number[];
    const k = ROUND as Int32Array & number[];
    for (let i = 0; i < 16; i++, at += 4) {
      w[i] = (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const low = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const high = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + low + w[i - 7]! + high) | 0;
    }
    let a = s[0]!;
    let c = s[1]!;
    let d = s[2]!;
    let e = s[3]!;
    let f = s[4]!;
    let g = s[5]!;
    let h = s[6]!;
    let j = s[7]!;
    for (let i = 0; i < 64; i++) {
      const high = ((f >>> 6) | (f << 26)) ^ ((f >>> 11) | (f << 21)) ^ ((f >>> 25) | (f << 7));
      const one = (j + high + ((f & g) ^ (~f & h)) + k[i]! + w[i]!) | 0;
      const low = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const two = (low + ((a & c) ^ (a & d) ^ (c & d))) | 0;
      j = h;
      h = g;
      g = f;
      f = (e + one) | 0;
      e = d;
      d = c;
      c = a;
      a = (one + two) | 0;
    }
    s[0] = (s[0]! + a) | 0;
    s[1] = (s[1]! + c) | 0;
    s[2] = (s[2]! + d) | 0;
    s[3] = (s[3]! + e) | 0;
    s[4] = (s[4]! + f) | 0;
    s[5] = (s[5]! + g) | 0;
    s[6] = (s[6]! + h) | 0;
    s[7] = (s[7]! + j) | 0;
  }
}
