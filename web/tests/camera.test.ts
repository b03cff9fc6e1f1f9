/** The live camera, by somebody who has no account yet. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";

import { accessible, browse, files, GATEWAY, open, profile, signUp } from "./browser.ts";

test("a picture is taken and marked before an account exists, and goes on after sign-up", async (t) => {
  const { context, page } = await withCamera(files("print.mjpeg"));
  t.after(() => context.close());
  await page.goto(GATEWAY);
  await page.getByRole("link", { name: "Live camera" }).click();
  await page.getByRole("button", { name: "Take the picture" }).click();

  await page.waitForURL("**/crop?*");
  await page.getByRole("button", { name: "Upper left corner" }).waitFor();
  await page.getByRole("button", { name: "That is it" }).click();
  await page.getByText("The print is marked.").waitFor();
  await accessible(page);
  await page.getByRole("link", { name: "Sign in or sign up" }).click();
  await signUp(page);

  await page.waitForURL("**/choose?photos=*");
  await page.getByRole("img", { name: /^photo-.*jpg$/ }).waitFor();
  const size = await page
    .getByRole("img", { name: /^photo-/ })
    .evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight]);
  assert.ok(Number(size[0]) > 700, String(size));
});

test("without a camera there is a plain sentence, and the file input", async (t) => {
  const { context, page } = await withCamera();
  t.after(() => context.close());
  await page.goto(`${GATEWAY}/camera`);

  await page.getByText("We found no camera here.").or(page.getByText("We may not use")).waitFor();
  await page.getByLabel("Take a picture").setInputFiles(files("print.jpg"));
  await page.waitForURL("**/crop?*");
});

async function withCamera(film?: string): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browse({ profile: profile(), ...(film ? { film } : {}) });
  return { context, page: (await open(context)).page };
}
