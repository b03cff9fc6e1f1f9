/** What happens elsewhere shows by itself; and without a stream, a little later. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";

import { browse, files, GATEWAY, open, profile, signedIn } from "./browser.ts";

// Sooner than any screen looks again by itself.
const BY_EVENT_WITHIN_MS = 15_000;

let context: BrowserContext;
let page: Page;

before(async () => {
  context = await browse({ profile: profile() });
  ({ page } = await open(context));
  await signedIn(page);
});

after(() => context.close());

async function order(name: string): Promise<void> {
  await page.goto(GATEWAY);
  await page.getByLabel("Choose photos").setInputFiles(files(name));
  await page.waitForURL("**/crop?*");
  await page.getByRole("button", { name: "That is it" }).click();
  await page.waitForURL("**/choose?photos=*");
  await page.getByRole("radio", { name: /^Restore/ }).check();
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL("**/job?id=*");
}

test("a corner follows the pointer, with a loupe while it is held", async () => {
  await page.goto(GATEWAY);
  await page.getByLabel("Choose photos").setInputFiles(files("second.jpg"));
  await page.waitForURL("**/crop?*");
  await page.getByText(/We marked|not sure/).waitFor();
  const corner = page.getByRole("button", { name: "Upper left corner" });
  const box = await corner.boundingBox();
  assert.ok(box);
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];

  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 30, y + 40, { steps: 5 });
  const held = await page.locator(".overflow-hidden.rounded-full img").count();
  await page.mouse.up();

  const moved = await corner.boundingBox();
  assert.ok(moved);
  assert.ok(Math.abs(moved.x - box.x - 30) < 2, `${moved.x} ${box.x}`);
  assert.ok(Math.abs(moved.y - box.y - 40) < 2, `${moved.y} ${box.y}`);
  assert.equal(held, 1);
  assert.equal(await page.locator(".overflow-hidden.rounded-full img").count(), 0);
});

test("the album hears that a job is done", async () => {
  await order("attic.jpg");
  await page.goto(`${GATEWAY}/album`);
  await page.getByText("At work").waitFor();

  await page.getByText("Finished").waitFor({ timeout: BY_EVENT_WITHIN_MS });
});

test("without a stream of events the screen looks again by itself", async () => {
  await page.goto(`${GATEWAY}/album`);
  await page.getByRole("link", { name: /attic\.jpg/ }).click();
  await page.getByRole("button", { name: "Doesn’t look like them" }).click();
  await page.getByRole("button", { name: "Get the credits back" }).click();
  await page.getByText("The credits are back").waitFor();
  await page.route("**/v1/events*", (route) => route.abort());

  await order("third.jpg");

  await page.getByRole("heading", { name: "Here it is" }).waitFor({ timeout: 90_000 });
});

test("a gateway that was away is found again, without a word from the network", async () => {
  await page.route("**/v1/**", (route) => route.abort());
  await page.goto(GATEWAY);
  await page.getByText("No connection.").waitFor();
  await page.getByLabel("Choose photos").setInputFiles([files("page.jpg"), files("print.jpg")]);
  await page.getByText("Kept on this device until there is a connection").nth(1).waitFor();

  await page.unroute("**/v1/**");

  await page.getByText("Arrived. Now mark the print").nth(1).waitFor();
  assert.equal(await page.getByText("No connection.").count(), 0);
});
