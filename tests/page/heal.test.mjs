// The GPU goes away, or the worker dies, in the middle of answers: each comes to what it would have been undisturbed.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { start } from "./browser.mjs";
import { FAULTS, folder, preparePage } from "./losses.mjs";

const { open } = await start(after, { workerPrelude: FAULTS, instead: folder, device: undefined });
const page = await open("blank.html");
page.setDefaultTimeout(60_000);
await page.evaluate(preparePage);

const answer = (...given) => page.evaluate((given) => answer(...given), given);
const healings = (count) => Array.from({ length: count }, () => ["lost", "healed"]).flat();
const heard = (events) => events.filter((type) => type !== "healing");

/** Before the first token, at the first, and so on: apart by more than what is on its way at once. */
const PLACES = [0, 1, 16, 31, 46];

/** What is said undisturbed; the kernels that were measured for the first are taken for all. */
const greedy = await answer({ device: "webgpu" }, "greedy");
const OPTIONS = { webgpu: { device: "webgpu", tuning: greedy.tuning }, cpu: { device: "cpu" } };
const whole = {
  webgpu: { greedy, sampled: await answer(OPTIONS.webgpu, "sampled") },
  cpu: { greedy: await answer(OPTIONS.cpu, "greedy"), sampled: await answer(OPTIONS.cpu, "sampled") },
};

for (const way of ["greedy", "sampled"]) {
  test(`device.destroy() five times in the middle of an answer: ${way}`, async () => {
    const { said } = whole.webgpu[way];
    assert.equal(said.tokens.length, 60);
    assert.equal(said.streamed, said.text);
    const disturbed = await answer(OPTIONS.webgpu, way, { how: "lose", at: PLACES });
    assert.deepEqual(disturbed.said, said);
    assert.deepEqual(heard(disturbed.events), healings(PLACES.length));
  });
}

for (const [device, how, way] of [
  ["webgpu", "end", "sampled"],
  ["webgpu", "throw", "greedy"],
  ["cpu", "end", "greedy"],
  ["cpu", "throw", "sampled"],
]) {
  test(`a worker that ${how === "end" ? "ends without a word" : "fails"} in mid-answer: ${device}, ${way}`, async () => {
    const disturbed = await answer(OPTIONS[device], way, { how, at: [20] });
    assert.deepEqual(disturbed.said, whole[device][way].said);
    assert.deepEqual(heard(disturbed.events), healings(1));
  });
}

test("a chat's second turn after losses is what it would have been, its beginning not computed twice", async () => {
  for (const [device, how] of [["webgpu", "lose"], ["cpu", "end"]]) {
    const alone = await page.evaluate((options) => chat(options), OPTIONS[device]);
    const disturbed = await page.evaluate(([options, how]) => chat(options, how), [OPTIONS[device], how]);
    assert.deepEqual(disturbed.said, alone.said, `${device}, ${how}`);
    assert.ok(alone.cached > 5);
    assert.deepEqual(heard(disturbed.events), healings(3), `${device}, ${how}`);
  }
});

test("conversations that take turns all go on after losses, word for word", async () => {
  for (const [device, how] of [["webgpu", "lose"], ["cpu", "end"]]) {
    const alone = await page.evaluate((options) => together(options), OPTIONS[device]);
    const disturbed = await page.evaluate(([options, how]) => together(options, how), [OPTIONS[device], how]);
    assert.deepEqual(disturbed.said, alone.said, `${device}, ${how}`);
    assert.ok(alone.cached > 32, `${alone.cached} positions`);
    assert.equal(disturbed.cached, alone.cached);
    // The processor may have said all before it hears of the second loss.
    const events = heard(disturbed.events);
    assert.ok(events.length >= 2, `${device}, ${how}`);
    assert.deepEqual(events, healings(events.length / 2), `${device}, ${how}`);
  }
});

test("a GPU that goes away each time before anything is achieved is an error with advice", async () => {
  const { message, ...error } = await page.evaluate(() => hopeless());
  assert.deepEqual(error, { code: "device-lost", recoverable: true, later: "device-lost" });
  assert.match(message, /lost 3 times in a row.*load the model again; with a smaller model/);
});
