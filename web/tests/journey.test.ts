/** From a file to a saved, restored photo; and what becomes of files that are none. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";

import { accessible, browse, files, GATEWAY, open, profile, signedIn } from "./browser.ts";

let context: BrowserContext;
let page: Page;
let troubles: string[];

before(async () => {
  context = await browse({ profile: profile() });
  ({ page, troubles } = await open(context));
  await signedIn(page);
  // Asking who is there before anybody has signed in is answered by a 401, which is no trouble.
  troubles.length = 0;
});

after(() => context.close());

/** Add a file, and wait until it can be marked. */
async function add(name: string): Promise<void> {
  await page.goto(GATEWAY);
  await page.getByLabel("Choose photos").setInputFiles(files(name));
  await page.waitForURL("**/crop?*");
  await page.getByText(/We marked|not sure/).waitFor();
}

/** What a press saves: how it is called but for the day, and its first bytes. */
async function savedBy(button: string): Promise<string> {
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: button }).press("Enter");
  const saved = await saving;
  const [, title, ending] = /^(.+) \d{4}-\d\d-\d\d\.(\w+)$/.exec(saved.suggestedFilename()) ?? [];
  const bytes = await readFile(await saved.path());
  assert.ok(bytes.length > 10_000);
  return `${title} ${ending} ${bytes.subarray(0, 2).toString("hex")}`;
}

async function across(name: string): Promise<number> {
  const label = await page.getByRole("button", { name }).getAttribute("aria-label");
  return Number(/(\d+) % across/.exec(label ?? "")?.[1]);
}

test("a photo goes from file to saved result, by keyboard alone where it counts", async () => {
  await add("print.jpg");
  // The print lies at 150 of 900 pixels.
  assert.ok(Math.abs((await across("Upper left corner")) - 17) <= 1);

  const corner = page.getByRole("button", { name: "Upper left corner" });
  await corner.focus();
  for (let n = 0; n < 3; n += 1) await page.keyboard.press("Shift+ArrowRight");
  assert.ok((await across("Upper left corner")) > 24);
  await page.getByText(/Upper left corner: \d+ % across/).waitFor({ state: "attached" });
  await page.getByRole("button", { name: "Use our proposal" }).press("Enter");
  assert.ok(Math.abs((await across("Upper left corner")) - 17) <= 1);

  await page.getByRole("button", { name: "That is it" }).press("Enter");
  await page.waitForURL("**/choose?photos=*");
  await page.getByRole("radio", { name: /^Restore/ }).check();
  await page.getByText("Then you have").waitFor();
  await page.getByLabel("Anything we should know?").fill("Grandfather’s coat was green.");
  await accessible(page);
  await page.getByRole("button", { name: "Start" }).press("Enter");

  await page.waitForURL("**/job?id=*");
  await page.getByText("In the queue").waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Here it is" }).waitFor({ timeout: 90_000 });

  const slider = page.getByRole("slider", { name: "Slide between before and after" });
  await slider.focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await slider.inputValue(), "51");
  await page.getByText("they are still themselves").waitFor();
  // Restoring colours nothing, and says so.
  await page.getByText("coat: green (nothing is coloured here)").waitFor();
  await page.getByRole("button", { name: "Closer" }).press("Enter");
  await page.getByRole("button", { name: "Further away" }).press("Enter");

  await page.getByRole("button", { name: "Write what it shows" }).press("Enter");
  await page.getByLabel("What does it show?").fill("Emma by the lake");
  await page.keyboard.press("Enter");
  await page.getByText("Emma by the lake").waitFor();
  assert.equal(await savedBy("Save the photo"), "Emma by the lake jpg ffd8");
  assert.equal(await savedBy("as PNG"), "Emma by the lake png 8950");
  await page.getByRole("slider", { name: "How much of it" }).press("ArrowLeft");
  await page.getByText("95 %").waitFor();
  assert.equal(await savedBy("Save the photo"), "Emma by the lake jpg ffd8");

  await page.goto(`${GATEWAY}/album`);
  await page.getByText("Finished").waitFor();
  await page.goto(`${GATEWAY}/account`);
  await page.getByText("Spent on a finished photo").waitFor();
  await page.getByText("Set aside for a photo").waitFor();
});

test("a stranger sees what is shared until it is ended", async () => {
  await page.goto(`${GATEWAY}/album`);
  await page.getByRole("link", { name: /Emma by the lake/ }).click();
  await page.getByRole("button", { name: "Share", exact: true }).press("Enter");
  await page.getByRole("radio", { name: "7 days" }).check();
  await page.getByRole("button", { name: "Make the address" }).press("Enter");
  const address = await page.getByLabel("The address").inputValue();

  const stranger = await browse({ profile: profile() });
  const { page: theirs, troubles: seen } = await open(stranger);
  await theirs.goto(address);
  await theirs.getByRole("heading", { name: "An old photo, brought back" }).waitFor();
  await theirs.getByRole("img", { name: "After" }).evaluate((image: HTMLImageElement) => image.decode());
  const line = theirs.getByRole("slider");
  await line.press("ArrowRight");
  assert.equal(await line.inputValue(), "51");
  await accessible(theirs);
  assert.deepEqual(seen, []);

  await page.getByRole("button", { name: "Stop sharing" }).press("Enter");
  await page.getByText("It is not shared any more.").waitFor();
  await theirs.reload();
  await theirs.getByText("This photo is not shared any more.").waitFor();
  await accessible(theirs);
  await stranger.close();
});

test("a result that does not look like them brings the credits back", async () => {
  await page.goto(`${GATEWAY}/album`);
  await page.getByRole("link", { name: /Emma by the lake/ }).click();
  await page.getByRole("button", { name: "Doesn’t look like them" }).click();
  await accessible(page);
  await page.getByRole("button", { name: "Get the credits back" }).click();

  await page.getByText("The credits are back; you have 3 now.").waitFor();
});

test("a job that is cancelled costs nothing", async () => {
  await add("page.jpg");
  await page.getByRole("button", { name: "Use the whole photo" }).click();
  assert.equal(await across("Upper left corner"), 0);
  await page.getByRole("button", { name: "Turn" }).click();
  await page.getByRole("button", { name: "That is it" }).click();
  await page.waitForURL("**/choose?photos=*");
  await page.getByRole("radio", { name: /^Restore/ }).check();
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByRole("button", { name: "Cancel, and get the credits back" }).click();

  await page.getByText("It cost nothing").waitFor();
  await page.goto(`${GATEWAY}/account`);
  await page.getByText("Came back: nothing was delivered").waitFor();
});

test("several photos are found, saved in one file, deleted and taken back", async () => {
  await page.goto(`${GATEWAY}/album`);
  await page.getByRole("link", { name: /page\.jpg/ }).waitFor();
  await page.getByLabel("Search in captions").fill("EMMA");
  await page.getByRole("link", { name: /page\.jpg/ }).waitFor({ state: "detached" });
  await page.getByLabel("Search in captions").fill("");
  await page.getByRole("link", { name: /page\.jpg/ }).waitFor();

  await page.getByRole("button", { name: "Pick several" }).press("Enter");
  for (const name of [/Emma/, /page\.jpg/]) {
    await page.getByRole("checkbox", { name }).press("Space");
  }
  await page.getByText("2 photos picked").waitFor();
  await accessible(page);
  assert.equal(await savedBy("Save one result"), "Rekindle zip 504b");

  await page.getByRole("button", { name: "Delete" }).press("Enter");
  await page.getByText("2 photos deleted").waitFor();
  await page.getByText("Nothing here yet.").waitFor({ state: "detached" });
  assert.equal(await page.getByRole("link", { name: /Emma|page\.jpg/ }).count(), 0);
  await accessible(page);
  await page.getByRole("button", { name: "Undo" }).press("Enter");
  await page.getByRole("link", { name: /Emma/ }).waitFor();

  await page.getByRole("button", { name: "Pick several" }).press("Enter");
  for (const name of [/Emma/, /page\.jpg/]) {
    await page.getByRole("checkbox", { name }).press("Space");
  }
  await page.getByRole("link", { name: "Restore these" }).press("Enter");
  await page.getByRole("heading", { name: "these 2 photos" }).waitFor();
  await page.getByText("4 credits", { exact: true }).or(page.getByText("8 credits")).first().waitFor();
});

test("a HEIC goes up as it is, and is shown when it is prepared", async () => {
  await add("print.heic");

  await page.getByRole("button", { name: "That is it" }).click();
  await page.waitForURL("**/choose?photos=*");
  await page.getByRole("img", { name: "print.heic" }).waitFor();
});

test("several prints in one picture become separate photos", async () => {
  await page.goto(GATEWAY);
  await page.getByLabel("Choose photos").setInputFiles(files("album.jpg"));
  await page.getByText("There are 3 prints in this picture.").waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Make 3 separate photos" }).click();

  await page.getByRole("heading", { name: "these 3 photos" }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get("photos")?.split(",").length, 3);
});

test("several files are rows of their own; what is no photo is named", async () => {
  await page.goto(GATEWAY);
  await page
    .getByLabel("Choose photos")
    .setInputFiles([files("second.jpg"), files("third.jpg"), files("words.txt")]);

  await page.getByText("These are not photos we can open: words.txt.").waitFor();
  await page.getByText("Arrived. Now mark the print").nth(1).waitFor();
  await page.getByRole("button", { name: "Remove third.jpg" }).click();
  await page.getByText("third.jpg").first().waitFor({ state: "detached" });
});

test("a file that only says it is a photo is refused in a sentence, and can be removed", async () => {
  await page.goto(GATEWAY);
  await page.getByLabel("Choose photos").setInputFiles(files("lie.jpg"));
  await page.waitForURL("**/crop?*");
  await page.getByRole("alert").waitFor();
  await page.goto(GATEWAY);

  await page.getByRole("button", { name: "Try lie.jpg again" }).waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Remove lie.jpg" }).click();
  await page.getByText("lie.jpg").first().waitFor({ state: "detached" });
});

test("nothing was refused by the policy, and nothing went wrong unseen", () => {
  // Whether a lie is a photo is found out by asking: that answer is a 4xx.
  assert.deepEqual(
    troubles.filter((trouble) => !trouble.includes("status of 4")),
    [],
  );
});
