/** What is sent before anything happens, what is kept for later, and whether it can be installed. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import type { Page } from "playwright-core";

import { browse, files, GATEWAY, needed, open, profile } from "./browser.ts";

const FIRST_BYTES_MAX = 180 * 1024;
const KEPT_BYTES_MAX = 1024 * 1024;

test("the first page needs at most 180 KB of scripts", (t) => {
  const folder = needed("REKINDLE_EXPORT");
  const page = readFileSync(join(folder, "index.html"), "utf8");
  const tags = page.match(/<script [^>]*src="[^"]+"[^>]*>/g) ?? [];
  const names = tags
    .filter((tag) => !tag.includes("noModule"))
    .map((tag) => /src="([^"]+)"/.exec(tag)?.[1] ?? "");
  const bytes = [...new Set(names)]
    .map((name) => gzipSync(readFileSync(join(folder, name))).length)
    .reduce((sum, one) => sum + one, 0);
  t.diagnostic(`${Math.round(bytes / 1024)} KB in ${names.length} scripts`);

  assert.ok(names.length > 3);
  assert.ok(bytes <= FIRST_BYTES_MAX, `${bytes} bytes`);
});

test("the shell is kept, is small, and can be installed; nobody else is asked for anything", async (t) => {
  const context = await browse({ profile: profile() });
  t.after(() => context.close());
  const { page, troubles } = await open(context);
  const asked = new Set<string>();
  page.on("request", (request) => asked.add(new URL(request.url()).origin));
  await page.goto(GATEWAY);
  const kept = await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    let bytes = 0;
    const paths: string[] = [];
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        const answer = await cache.match(request);
        bytes += (await answer?.blob())?.size ?? 0;
        paths.push(new URL(request.url).pathname);
      }
    }
    return { bytes, paths };
  });
  const devtools = await context.newCDPSession(page);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  const { errors } = await devtools.send("Page.getAppManifest");
  t.diagnostic(`${Math.round(kept.bytes / 1024)} KB kept in ${kept.paths.length} files`);

  await shared(page, "print.jpg");
  await page.waitForURL("**/crop?picture=*");
  await page.getByRole("button", { name: "Upper left corner" }).waitFor();
  await shared(page, "second.jpg", "words.txt");
  await page.getByText("Some of what was shared is no photo").waitFor();
  await page.getByText("second.jpg").first().waitFor();

  assert.deepEqual(installabilityErrors, []);
  assert.deepEqual(errors, []);
  assert.ok(kept.bytes > 100_000 && kept.bytes <= KEPT_BYTES_MAX, `${kept.bytes} bytes`);
  for (const path of ["/", "/crop", "/camera", "/album", "/account", "/choose", "/job"]) {
    assert.ok(kept.paths.includes(path), path);
  }
  assert.deepEqual([...asked], [GATEWAY]);
  assert.deepEqual(
    troubles.filter((trouble) => !trouble.includes("/v1/me")),
    [],
  );
});

/** Give the app files as the sheet of a phone does: by the form that its manifest names. */
async function shared(page: Page, ...names: string[]): Promise<void> {
  await page.evaluate(async () => {
    const { href } = document.querySelector<HTMLLinkElement>("link[rel=manifest]") ?? { href: "" };
    const { share_target: target } = (await (await fetch(href)).json()) as { share_target: Target };
    const form = document.createElement("form");
    Object.assign(form, target);
    const input = document.createElement("input");
    Object.assign(input, { type: "file", multiple: true, name: target.params.files[0].name, id: "given" });
    form.append(input);
    document.body.append(form);
  });
  await page.locator("#given").setInputFiles(names.map(files));
  await page.evaluate(() => {
    document.querySelector<HTMLInputElement>("#given")?.form?.submit();
  });
}

interface Target {
  action: string;
  method: string;
  enctype: string;
  params: { files: [{ name: string }] };
}
