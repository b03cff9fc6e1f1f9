/** A real Chromium, as the tests drive it. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

export const GATEWAY = needed("REKINDLE_URL");
/** What the rules of accessibility say about a page, by the tags of WCAG 2.2 AA. */
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

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

/** A new person, signed in and at the account; three credits are a gift. */
export async function signedIn(page: Page): Promise<string> {
  await page.goto(`${GATEWAY}/account`);
  await page.getByRole("link", { name: "Sign in or sign up" }).click();
  const email = await signUp(page);
  await page.getByText("Credits to spend").waitFor();
  return email;
}

/** Sign a new person up at the issuer, and come back. */
export async function signUp(page: Page): Promise<string> {
  const email = `${crypto.randomUUID()}@example.com`;
  await page.getByRole("link", { name: "Create an account" }).click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.waitForURL(`${GATEWAY}/**`);
  return email;
}

/** A folder for the profile of a new browser; it goes when the files of the tests go. */
export function profile(): string {
  return mkdtempSync(join(needed("REKINDLE_FILES"), "browser-"));
}

/** A file that the tests have made. */
export function files(name: string): string {
  return join(needed("REKINDLE_FILES"), name);
}

/** Nothing on the page keeps somebody out. */
export async function accessible(page: Page): Promise<void> {
  // Evaluated, and not added to the page, whose policy would refuse it.
  await page.evaluate(AXE);
  const violations = await page.evaluate(async (tags) => {
    const { axe } = window as unknown as { axe: Axe };
    const found = await axe.run(document, { runOnly: { type: "tag", values: tags } });
    return found.violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`,
    );
  }, TAGS);
  assert.deepEqual(violations, [], page.url());
}

interface Axe {
  run: (
    root: Document,
    options: object,
  ) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
}

export function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by \`make test only=web\`.`);
  return value;
}
