/** In the attic: no network, then a dead browser, then a network again. */

import assert from "node:assert/strict";
import { readlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Page } from "playwright-core";

import { accessible, browse, files, GATEWAY, open, profile, signedIn } from "./browser.ts";

const USABLE_WITHIN_MS = 1_500;

test("pictures taken without a network survive a killed browser, and go up by themselves", async (t) => {
  const folder = profile();
  await atHome(folder);
  const attic = await browse({ profile: folder, offline: true });
  const { page } = await open(attic);
  await page.goto(GATEWAY);
  await page.getByText("No connection.").waitFor();
  await page.getByLabel("Choose photos").setInputFiles(files("attic.jpg"));
  await page.waitForURL("**/crop?*");
  await page.getByRole("button", { name: "Lower right corner" }).press("Shift+ArrowLeft");
  await page.getByRole("button", { name: "That is it" }).click();
  await page.getByText("Kept on this device. It goes up by itself").waitFor();
  await accessible(page);
  await page.getByRole("link", { name: "Another photo" }).click();
  await page.getByLabel("Choose photos").setInputFiles([files("second.jpg"), files("third.jpg")]);
  await page.getByText("Kept on this device until there is a connection").nth(2).waitFor();
  await killed(folder);

  const again = await browse({ profile: folder, offline: true });
  t.after(() => again.close());
  const { page: later } = await open(again);
  const cold = await rowsAfter(later);
  const warm = await rowsAfter(later);
  t.diagnostic(`usable offline after ${cold} ms, again after ${warm} ms`);
  assert.ok(Math.min(cold, warm) <= USABLE_WITHIN_MS, `${cold} ms, ${warm} ms`);

  await again.setOffline(false);
  await later.getByText("Arrived. Now mark the print").nth(1).waitFor();
  await later.getByText("attic.jpg").first().waitFor({ state: "detached" });
  await later.goto(`${GATEWAY}/album`);
  await later.getByRole("link", { name: /attic\.jpg/ }).click();
  await later.waitForURL("**/choose?photos=*");
});

/** Sign in, and close the browser: it writes its cookies down when it likes, or at its end. */
async function atHome(folder: string): Promise<void> {
  const context = await browse({ profile: folder });
  const { page } = await open(context);
  await signedIn(page);
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  await context.close();
}

/** How long a start without a network takes until the kept pictures are there. */
async function rowsAfter(page: Page): Promise<number> {
  const began = performance.now();
  await page.goto(GATEWAY);
  await page.getByText("attic.jpg").first().waitFor();
  return Math.round(performance.now() - began);
}

/** End a browser as a flat battery does. Its lock is a link that names host and process. */
async function killed(folder: string): Promise<void> {
  const owner = await readlink(join(folder, "SingletonLock"));
  process.kill(Number(owner.split("-").at(-1)), "SIGKILL");
}
