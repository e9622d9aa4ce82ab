// How the page looks and can be used: narrow, dark, by keyboard alone; pictures of it go to target/page.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "./browser.mjs";

const pictures = fileURLToPath(new URL("../../target/page/", import.meta.url));

const { open } = await start(after);
await mkdir(pictures, { recursive: true });

const LOOKS = {
  phone: { viewport: { width: 360, height: 740 } },
  tablet: { viewport: { width: 820, height: 1180 } },
  dark: { viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
};

for (const [look, options] of Object.entries(LOOKS)) {
  test(`nothing overflows: ${look}`, async () => {
    const page = await open("", options);
    const overflow = await page.evaluate(() =>
      [...document.querySelectorAll("body *")]
        .filter((element) => !element.closest(".panel, .unseen, .skip, svg") && element.checkVisibility())
        .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
        .map((element) => element.outerHTML.slice(0, 80)),
    );
    assert.deepEqual(overflow, []);
    await page.screenshot({ path: `${pictures}${look}.png` });
    await page.close();
  });
}

test("text stands out from what is behind it, by day and by night", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open("", { colorScheme });
    const faint = await page.evaluate(() => {
      const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      const light = (color) => {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) =>
          v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const style = getComputedStyle(document.documentElement);
      const value = (name) => light(style.getPropertyValue(name));
      const pairs = [
        ["--ink", "--paper"],
        ["--ink", "--surface"],
        ["--soft", "--paper"],
        ["--soft", "--surface"],
        ["--soft", "--sunk"],
        ["--accent-ink", "--accent"],
        ["--ink", "--accent-wash"],
        ["--wrong", "--wrong-wash"],
        ["--soft", "--wrong-wash"],
      ];
      const contrast = ([a, b]) => (Math.max(value(a), value(b)) + 0.05) / (Math.min(value(a), value(b)) + 0.05);
      return pairs.filter((pair) => contrast(pair) < 4.5).map((pair) => `${pair}: ${contrast(pair).toFixed(2)}`);
    });
    assert.deepEqual(faint, [], colorScheme);
    await page.close();
  }
});

test("every control has a name, and the keyboard reaches them in order", async () => {
  const page = await open("", { viewport: { width: 1280, height: 800 } });
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, textarea")]
      .filter((control) => !control.ariaLabel && !control.labels?.length && !control.textContent.trim())
      .map((control) => control.outerHTML),
  );
  assert.deepEqual(nameless, []);
  const reached = [];
  for (let step = 0; step < 24; step += 1) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent));
  }
  const order = ["", "new-chat", "load-demo", "address", "load-address", "file", "prompt"];
  const places = order.slice(1).map((id) => reached.indexOf(id));
  assert.ok(
    places.every((place, at) => place > (places[at - 1] ?? -1)),
    reached.join(", "),
  );
  assert.equal(reached[0], "Skip to the prompt");
  await page.close();
});

test("on a narrow page what stands at the sides opens and closes, with the focus going along", async () => {
  const page = await open("", LOOKS.phone);
  const focus = () => page.evaluate(() => document.activeElement.id);
  assert.ok(await page.isHidden("#panel"));
  await page.click("#panel-toggle");
  await page.locator("#panel").waitFor();
  assert.equal(await focus(), "panel-close");
  await page.keyboard.press("Escape");
  await page.locator("#panel").waitFor({ state: "hidden" });
  assert.equal(await focus(), "panel-toggle");
  await page.click("#sidebar-toggle");
  await page.locator("#sidebar").waitFor();
  await page.mouse.click(325, 25);
  await page.locator("#sidebar").waitFor({ state: "hidden" });
  assert.equal(await focus(), "sidebar-toggle");
  assert.ok(await page.isHidden("#panel"), "what was clicked beside it did nothing");
  await page.close();
});

test("who wants no motion gets none", async () => {
  const page = await open("", { reducedMotion: "reduce" });
  const moving = await page.evaluate(
    () =>
      [...document.querySelectorAll("*")].filter((element) => {
        const { animationName, transitionDuration } = getComputedStyle(element);
        return animationName !== "none" || transitionDuration.split(", ").some((time) => Number.parseFloat(time) > 0);
      }).length,
  );
  assert.equal(moving, 0);
  await page.close();
});
