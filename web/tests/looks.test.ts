/** Every screen by day and by night, on a phone, a tablet and a desk: seen, and open to everybody. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";

import { accessible, browse, files, GATEWAY, needed, open, profile, signedIn } from "./browser.ts";

const WIDTHS = [360, 768, 1440];
const HEIGHTS: Record<number, number> = { 360: 780, 768: 1024, 1440: 900 };

const IN_README = ["home-360-light", "crop-360-light", "result-360-light"];

let context: BrowserContext;
let page: Page;
let photo = "";
let job = "";

before(async () => {
  context = await browse({ profile: profile() });
  ({ page } = await open(context));
});

after(() => context.close());

/** Look at what is shown now: pictures of it in every size and light, and no barrier in any. */
async function seen(name: string): Promise<void> {
  await page.evaluate(() => document.fonts.ready);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: HEIGHTS[width] ?? 900 });
      await fits(name);
      await page.evaluate(() => {
        scrollTo(0, 0);
      });
      const path = join(needed("REKINDLE_SCREENSHOTS"), `${name}-${width}-${colorScheme}.png`);
      // A whole page in one picture would show the bar of a phone in its middle.
      await page.screenshot({ path, fullPage: width > 640 });
      await pictured(`${name}-${width}-${colorScheme}`);
    }
    await accessible(page);
  }
  await page.setViewportSize({ width: 360, height: 780 });
}

/** What the README shows is made anew when it is told where: a run of the tests changes no file. */
async function pictured(name: string): Promise<void> {
  const folder = process.env.REKINDLE_README_IMAGES;
  if (!folder || !IN_README.includes(name)) return;
  await page.screenshot({ path: join(folder, `${name}.jpg`), type: "jpeg", quality: 80 });
}

/** Nothing is wider than the screen. */
async function fits(name: string): Promise<void> {
  const outside = await page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    return [...document.body.querySelectorAll("main *")]
      .filter((element) => element.getBoundingClientRect().right > clientWidth)
      .map((element) => element.outerHTML.slice(0, 120));
  });
  assert.deepEqual(outside, [], name);
}

test("for somebody who is not signed in", async () => {
  await page.goto(GATEWAY);
  await page.getByText("Bring an old photo back").waitFor();
  await seen("home");
  for (const screen of ["album", "account", "camera"]) {
    await page.goto(`${GATEWAY}/${screen}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await seen(`${screen}-out`);
  }
});

test("for somebody with an empty album", async () => {
  await signedIn(page);
  await page.getByText("10 credits", { exact: true }).waitFor();
  await page.getByText("Credits added").waitFor();
  await seen("account");
  await page.goto(`${GATEWAY}/album`);
  await page.getByText("Nothing here yet.").waitFor();
  await seen("album-empty");
});

test("marking a print", async () => {
  await page.goto(GATEWAY);
  await page.getByLabel("Choose photos").setInputFiles([files("print.jpg"), files("lie.jpg")]);
  await page.getByText("Arrived. Now mark the print").waitFor();
  await page.getByRole("button", { name: "Try lie.jpg again" }).waitFor();
  await seen("home-rows");
  await page.getByRole("button", { name: "Remove lie.jpg" }).click();
  await page.getByRole("link", { name: "Mark the print print.jpg" }).click();
  await page.getByText("We marked what looks like the print.").waitFor();
  await page.getByText("Move step by step").click();
  await seen("crop");
});

test("choosing, with and without enough credits", async () => {
  await page.getByRole("button", { name: "That is it" }).click();
  await page.waitForURL("**/choose?photos=*");
  photo = page.url();
  await page.getByRole("img", { name: "print.jpg" }).waitFor();
  await page.getByText("One credit is missing").waitFor();
  await seen("choose-missing");
  await page.getByRole("radio", { name: /^Restore/ }).check();
  await page.getByText("Then you have").waitFor();
  await seen("choose");
});

test("a job at work, and its result", async () => {
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL("**/job?id=*");
  job = page.url();
  await page.getByText("In the queue").waitFor();
  // One look: by the second one it may be done.
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await page.screenshot({ path: join(needed("REKINDLE_SCREENSHOTS"), "job-360-light.png") });
  await accessible(page);
  await page.getByRole("heading", { name: "Here it is" }).waitFor({ timeout: 90_000 });
  await page.getByRole("img", { name: "After" }).waitFor();
  await seen("result");
  await page.getByRole("button", { name: "Doesn’t look like them" }).click();
  await seen("unlike");
});

test("what is shared, for its owner and for a stranger", async () => {
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Share", exact: true }).click();
  await page.getByRole("button", { name: "Make the address" }).waitFor();
  await seen("share-new");
  await page.getByRole("button", { name: "Make the address" }).click();
  const address = await page.getByLabel("The address").inputValue();
  await seen("share");
  await page.goto(address);
  await page.getByRole("img", { name: "After" }).evaluate((image: HTMLImageElement) => image.decode());
  await seen("shared");
  await page.goto(`${GATEWAY}/s/${"A".repeat(32)}`);
  await seen("shared-unknown");
});

test("the album, and a page that is not there", async () => {
  await page.goto(`${GATEWAY}/album`);
  await page.getByText("Finished").waitFor();
  await seen("album");
  await page.getByRole("button", { name: "Pick several" }).click();
  await page.getByRole("checkbox").first().check();
  await seen("album-pick");
  await page.route("**/v1/**", (route) => route.abort());
  await page.goto(`${GATEWAY}/album`);
  await page.getByText("These are your newest photos").waitFor();
  await seen("album-offline");
  await page.unroute("**/v1/**");
  await page.goto(`${GATEWAY}/job?id=00000000-0000-7000-8000-000000000000`);
  await page.getByText("This is not here any more.").waitFor();
  await seen("job-gone");
});

test("in other languages and with very large text", async () => {
  await page.goto(`${GATEWAY}/account`);
  await page.getByLabel("Text size").selectOption("huge");
  await page.getByLabel("Language").selectOption("de");
  await page.getByText("Für ein Foto zurückgelegt").waitFor();
  await seen("account-de-huge");
  await page.goto(photo);
  await page.getByText("Das kostet", { exact: true }).waitFor();
  await seen("choose-de-huge");
  await page.goto(job);
  await page.getByText("Hier ist es").waitFor();
  await seen("result-de-huge");
  await page.goto(GATEWAY);
  await page.getByText("Holen Sie ein altes Foto zurück").waitFor();
  await seen("home-de-huge");
});
