/** Too few credits, and the way to more; a plan, and what is lost with it; and everything erased. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";

import { accessible, browse, files, GATEWAY, open, profile, signedIn } from "./browser.ts";

const CARD = "4242 4242 4242 4242";

let context: BrowserContext;
let page: Page;

before(async () => {
  context = await browse({ profile: profile() });
  ({ page } = await open(context));
  await signedIn(page);
});

after(() => context.close());

async function pay(): Promise<void> {
  await page.getByLabel("Card number").fill(CARD);
  await page.getByRole("button", { name: /^Pay/ }).click();
  await page.getByText("Your payment has arrived.").waitFor();
}

test("too few credits lead to the shop and back to the very choice", async () => {
  await page.goto(GATEWAY);
  await page.getByLabel("Choose photos").setInputFiles(files("print.jpg"));
  await page.waitForURL("**/crop?*");
  await page.getByRole("button", { name: "That is it" }).click();
  await page.waitForURL("**/choose?photos=*");
  await page.getByRole("radio", { name: /^Both/ }).check();
  await page.getByText("One credit is missing: this costs 4, and you have 3.").waitFor();
  await accessible(page);
  await page.getByRole("link", { name: "Add credits" }).click();
  await page.getByRole("button", { name: "10 credits for" }).click();
  await page.getByLabel("Card number").waitFor();

  await page.goBack();
  await page.getByRole("button", { name: "10 credits for" }).click();
  await pay();
  await page.getByRole("link", { name: "Go on with your photo" }).click();

  assert.equal(await page.getByRole("radio", { name: /^Both/ }).isChecked(), true);
  await page.getByText("9 credits").waitFor();
});

test("who leaves the payment page has bought nothing", async () => {
  await page.goto(`${GATEWAY}/account`);
  await page.getByRole("button", { name: "30 credits for" }).click();
  await page.getByRole("link", { name: "Back, without paying" }).click();

  await page.getByText("Nothing was paid, and nothing has changed.").waitFor();
});

test("a plan is bought, and cancelled after the number that will be lost was told", async () => {
  await page.goto(`${GATEWAY}/account`);
  await page.getByRole("button", { name: "Choose Remember" }).click();
  await pay();
  await page.goto(`${GATEWAY}/account`);
  await page.getByText(/^Renews on/).waitFor();
  await page.getByText("38", { exact: true }).first().waitFor();

  await page.getByRole("button", { name: "Cancel the plan" }).click();
  await page.getByText("38 credits that are left then are lost.").waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Go on to cancel" }).click();
  await page.waitForURL((url) => !url.href.startsWith(GATEWAY));
  await page.getByRole("button", { name: /cancel/i }).click();
  await page.goto(`${GATEWAY}/account`);

  await page.getByText(/^Ends on/).waitFor();
});

test("everything is erased after it was told what goes, and nobody signs in again at once", async () => {
  await page.getByRole("button", { name: "Erase everything" }).click();
  await page.getByText("38 credits are lost with it.").waitFor();
  const erase = page.getByRole("button", { name: "Erase it all" });
  assert.equal(await erase.isDisabled(), true);
  await accessible(page);
  await page.getByRole("checkbox").check();
  await erase.click();

  await page.getByText("Everything is being erased.").waitFor();
  await page.goto(`${GATEWAY}/account`);
  await page.getByRole("link", { name: "Sign in or sign up" }).click();
  await page.getByText("This account was erased a short while ago.").waitFor();
});
