// The demo in the terminal, as `cargo xtask demo --headless` runs it: the page's answer as it streams, then its figures.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { serve } from "./server.mjs";

test("the terminal shows the page's answer and figures", async () => {
  // The demo's own server where the tests are given one, as its headers count too.
  const server = process.env.ORIEL_ADDRESS ? undefined : await serve();
  const script = fileURLToPath(new URL("headless.mjs", import.meta.url));
  const address = server?.address ?? process.env.ORIEL_ADDRESS;
  const child = spawn(process.execPath, [script, address, "What is the capital of France?"]);
  const pieces = [];
  child.stdout.setEncoding("utf8").on("data", (piece) => pieces.push(piece));
  let faults = "";
  child.stderr.setEncoding("utf8").on("data", (piece) => (faults += piece));
  const status = await new Promise((done) => child.on("close", done));
  server?.close();
  assert.equal(status, 0, faults);
  const [answer, figures] = pieces.join("").split("\n\n");
  assert.match(answer, /Paris/);
  assert.ok(pieces.length > 3, "the answer did not stream");
  // The browser's adapter is software, so the page takes the processor, and says why.
  assert.match(figures, /^runs on +The processor: .*software/m);
  for (const name of ["prefill", "decode", "first token after", "context", "on the device", "adapter", "runs on"]) {
    assert.match(figures, new RegExp(`^${name} +[^ –]`, "m"));
  }
});
