/** A real Chromium, as the tests drive it. */

import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

export const GATEWAY = needed("REKINDLE_URL");
export const FILES = needed("REKINDLE_FILES");

const PASSWORD = "a quiet afternoon 1936";
const STEP_TIMEOUT_MS = 30_000;

interface Options extends BrowserContextOptions {
  /** Where the profile is kept; a browser that is killed and started again finds its data there. */
  profile: string;
  /** A film for the fake camera; none: there is no camera. */
  film?: string;
}

/** A browser with a profile of its own: in a private window no app can be installed. */
export async function browse({ profile, film, ...options }: Options): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: needed("REKINDLE_CHROMIUM"),
    env: { ...process.env, LD_LIBRARY_PATH: process.env.REKINDLE_CHROMIUM_LIBRARIES ?? "" },
    // Tests run as root in containers, where Chromium has no sandbox.
    chromiumSandbox: false,
    acceptDownloads: true,
    viewport: { width: 360, height: 780 },
    locale: "en-GB",
    reducedMotion: "reduce",
    args: [
      "--disable-background-networking",
      "--disable-component-update",
      ...(film
        ? [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            `--use-file-for-fake-video-capture=${film}`,
          ]
        : []),
    ],
    ...options,
  });
  context.setDefaultTimeout(STEP_TIMEOUT_MS);
  return context;
}

/** The page of a new browser, and everything that went wrong in it. */
export async function open(context: BrowserContext): Promise<{ page: Page; troubles: string[] }> {
  const page = context.pages()[0] ?? (await context.newPage());
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(`${message.text()} ${message.location().url}`);
  });
  return { page, troubles };
}

/** Sign a new person up at the issuer, who has three credits then. */
export async function signUp(page: Page): Promise<string> {
  const email = `${crypto.randomUUID()}@example.com`;
  await page.getByRole("link", { name: "Create an account" }).click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.waitForURL(`${GATEWAY}/**`);
  return email;
}

function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by \`make test only=web\`.`);
  return value;
}
