// The streaming SHA-256 against Node's own, at every length around a block and in pieces of odd sizes.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { sources } from "./sources.mjs";

const { Sha256 } = await sources(["sha256"]);

test("it is the SHA-256, however the bytes come", () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, place) => (place * 7919) >>> 3);
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000]) {
    for (const piece of [1, 13, 64, 100, 1000]) {
      const hash = new Sha256();
      for (let at = 0; at < length; at += piece) hash.push(bytes.subarray(at, Math.min(length, at + piece)));
      const expected = createHash("sha256").update(bytes.subarray(0, length)).digest("hex");
      assert.equal(hash.end(), expected, `${length} bytes in pieces of ${piece}`);
    }
  }
});

test("it keeps up with a download", () => {
  const bytes = new Uint8Array(2 ** 20);
  const hash = new Sha256();
  const began = performance.now();
  for (let mib = 0; mib < 32; mib++) hash.push(bytes);
  const rate = 32 / ((performance.now() - began) / 1000);
  console.log(`SHA-256: ${rate.toFixed(0)} MiB/s`);
  assert.ok(rate > 20, `${rate} MiB/s`);
});
