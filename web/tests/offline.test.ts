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

  await later.goto(`${GATEWAY}/album`);
  await until(async () => (await later.evaluate(thumbnailsKept)) > 0);
  await again.setOffline(true);
  await later.goto(`${GATEWAY}/album`);
  await later.getByText("These are your newest photos").waitFor();
  const print = later.getByRole("img", { name: /attic\.jpg/ });
  await print.evaluate((image: HTMLImageElement) => image.decode());
  await accessible(later);
  // Whoever signs out leaves none of them.
  await again.setOffline(false);
  await again.clearCookies();
  await later.goto(`${GATEWAY}/album`);
  await later.getByText("Sign in to see your album.").waitFor();
  await until(async () => (await later.evaluate(thumbnailsKept)) === 0);
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < 100; looks += 1) {
    if (await isSo()) return;
    await new Promise((go) => setTimeout(go, 100));
  }
  assert.fail("It did not come to be so within ten seconds.");
}

/** How many thumbnails of the album this device has. */
async function thumbnailsKept(): Promise<number> {
  // Opening what is not there would make it, and empty.
  if (!(await indexedDB.databases()).some(({ name }) => name === "rekindle-album")) return 0;
  const opening = indexedDB.open("rekindle-album", 1);
  await new Promise((done) => (opening.onsuccess = done));
  const counting = opening.result.transaction("photos").objectStore("photos").count();
  await new Promise((done) => (counting.onsuccess = done));
  opening.result.close();
  return counting.result;
}

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
