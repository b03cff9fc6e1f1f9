/** The phone as the camera of a desktop: two browsers that know nothing of each other. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { accessible, browse, files, GATEWAY, open, profile, signedIn } from "./browser.ts";

test("photos of a phone arrive on the desktop that showed it the code", async (t) => {
  const desktop = await browse({ profile: profile(), viewport: { width: 1280, height: 900 } });
  t.after(() => desktop.close());
  const phone = await browse({ profile: profile() });
  t.after(() => phone.close());
  const { page } = await open(desktop);
  const { page: handset } = await open(phone);
  await signedIn(page);
  await page.goto(GATEWAY);

  const answered = page.waitForResponse("**/v1/handoffs");
  await page.getByRole("button", { name: "Use your phone as the camera" }).click();
  const { address } = (await (await answered).json()) as { address: string };
  await page.getByRole("img", { name: "QR code for your phone" }).waitFor();
  await accessible(page);
  await handset.goto(address);
  await page.getByText("Your phone is connected.").waitFor();
  await handset.locator("#gallery").setInputFiles(files("print.jpg"));

  await page.getByText("One photo has arrived.").waitFor();
  await page.getByRole("img", { name: "Photo 1 from your phone" }).waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.waitForURL("**/crop?photo=*");
  await page.getByRole("button", { name: "That is it" }).click();
  await page.waitForURL("**/choose?photos=*");

  await handset.reload();
  await handset.getByText("This code has ended.").waitFor();
  assert.equal(await handset.locator("#choices").isVisible(), false);
});
