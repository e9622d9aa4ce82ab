// Options and errors: what is unknown or of the wrong type is refused by name.

import assert from "node:assert/strict";
import test from "node:test";
import { sources, thrown } from "./sources.mjs";

const { OrielError, aborted, toOrielError, toWire, loadOptions, generateOptions, messages } = await sources([
  "errors",
  "options",
]);

test("an unknown option is refused, and the message lists the known ones", async () => {
  const error = await thrown(() => generateOptions({ max_tokens: 3 }));
  assert.equal(error.code, "option");
  assert.match(error.message, /^generate: max_tokens is not an option; supported: maxTokens, temperature,/);
  assert.match((await thrown(() => loadOptions({ toString: 1 }))).message, /^load: toString is not an option/);
});

test("a value of the wrong type is refused, and shown", async () => {
  const cases = [
    [() => generateOptions({ temperature: "warm" }), /temperature is "warm"; expected a number/],
    [() => generateOptions({ temperature: Number.NaN }), /temperature is NaN/],
    [() => generateOptions({ maxTokens: 1.5 }), /maxTokens is 1.5; expected a whole number/],
    [() => generateOptions({ maxTokens: -1 }), /maxTokens is -1/],
    [() => generateOptions({ topK: 2 ** 32 }), /topK is 4294967296; expected a whole number below 4294967296/],
    [() => generateOptions({ logprobs: 1 }), /logprobs is 1; expected true or false/],
    [() => generateOptions({ topLogprobs: -1 }), /topLogprobs is -1; expected a whole number/],
    [() => generateOptions({ logprobs: false, topLogprobs: 2 }), /topLogprobs is 2; with it logprobs can't be false/],
    ...[[[7, 1]], { "-1": 1 }, { the: 1 }, { 7: "1" }, { 7: Number.NaN }, { [2 ** 32]: 1 }, new Map([[7, 1]]), null].map(
      (logitBias) => [() => generateOptions({ logitBias }), /logitBias is .*; expected an object of tokens' ids/],
    ),
    [() => generateOptions({ stop: ["a", 1] }), /stop is a Array; expected a string or an array of strings/],
    [() => generateOptions({ signal: {} }), /signal is a Object; expected an AbortSignal/],
    [() => generateOptions("fast"), /expected an object of options, found "fast"/],
    [() => loadOptions({ device: "gpu" }), /device is "gpu"; expected "auto", "webgpu", "cpu"/],
    [() => loadOptions({ cache: "q4" }), /cache is "q4"; expected "auto", "f32", "f16", "q8"/],
    [() => loadOptions({ cache: 8 }), /cache is 8; expected "auto"/],
    [() => loadOptions({ tuning: "fast" }), /tuning is "fast"; expected "auto", "start" or a tuning/],
    [() => loadOptions({ tuning: ["auto"] }), /tuning is a Array; expected/],
    [() => loadOptions({ tuning: null }), /tuning is null; expected/],
    [() => loadOptions({ onProgress: true }), /onProgress is true; expected a function/],
  ];
  for (const [action, message] of cases) {
    const error = await thrown(action);
    assert.equal(error.code, "option");
    assert.match(error.message, message);
  }
});

test("what is undefined counts as left out", () => {
  assert.deepEqual(generateOptions({ seed: undefined, topK: 4 }), { topK: 4 });
  assert.deepEqual(loadOptions(undefined), {});
  assert.deepEqual(loadOptions({ tuning: { matvec: { usual: "8" } } }), { tuning: { matvec: { usual: "8" } } });
});

test("messages are checked one by one, and copied", async () => {
  const given = [{ role: "user", content: "Hello" }];
  assert.deepEqual(messages(given), given);
  assert.notEqual(messages(given)[0], given[0]);
  assert.match((await thrown(() => messages("Hello"))).message, /expected an array/);
  assert.match(
    (await thrown(() => messages([{ role: "user" }]))).message,
    /messages\[0\]: expected \{ role, content \}/,
  );
  assert.match((await thrown(() => messages([{ ...given[0], name: "x" }]))).message, /messages\[0\]\.name is not supp/);
});

test("errors keep their code on the way from the worker", () => {
  const error = toOrielError(structuredClone(toWire(new OrielError("network", "it broke off"))));
  assert.ok(error instanceof OrielError && error instanceof Error);
  assert.deepEqual([error.code, error.message, error.recoverable], ["network", "it broke off", true]);
  assert.equal(new OrielError("unsupported", "").recoverable, false);
});

test("what nobody foresaw is an error of the engine", () => {
  const error = toOrielError(new RangeError("no"));
  assert.deepEqual([error.code, error.message], ["engine", "the engine failed: RangeError: no"]);
  assert.equal(toOrielError("text").message, "the engine failed: text");
});

test("an abort has the platform's name and keeps the reason", () => {
  const controller = new AbortController();
  controller.abort("enough");
  const error = aborted(controller.signal);
  assert.deepEqual([error.name, error.code, error.cause], ["AbortError", "aborted", "enough"]);
});
