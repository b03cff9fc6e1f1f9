// Bundles the service worker and writes the list of what it keeps into it.
import { readFileSync } from "node:fs";

import { injectManifest } from "@serwist/build";
import { build } from "esbuild";

const OUT = "out";
const PRECACHED_BYTES_MAX = 1024 * 1024;

// For browsers of another time, which have no service worker either.
const [, polyfill] = /src="\/([^"]+)" noModule/.exec(readFileSync(`${OUT}/index.html`, "utf8"));

await build({
  entryPoints: ["src/sw.ts"],
  outfile: `${OUT}/sw.js`,
  bundle: true,
  minify: true,
  define: { "process.env.NODE_ENV": '"production"' },
});

const { count, size, warnings } = await injectManifest({
  swSrc: `${OUT}/sw.js`,
  swDest: `${OUT}/sw.js`,
  globDirectory: OUT,
  globPatterns: ["*.html", "icon.svg", "manifest.webmanifest", "_next/static/**/*.{js,css,woff2}"],
  // Italics and other scripts than Latin are fetched when a page needs them.
  globIgnores: [polyfill, "_not-found.html", "404.html", "**/*-{cyrillic,cyrillic-ext,vietnamese}-*", "**/*latin-ext*"],
  // What has its hash in its name needs no second one.
  dontCacheBustURLsMatching: /^_next\/static\//,
  manifestTransforms: [
    (entries) => ({
      manifest: entries.map((entry) => ({ ...entry, url: addressOf(entry.url) })),
      warnings: [],
    }),
  ],
});

if (warnings.length) throw new Error(warnings.join("\n"));
if (size > PRECACHED_BYTES_MAX) throw new Error(`The shell has ${size} bytes: more than 1 MB.`);
console.log(`The shell: ${count} files, ${Math.round(size / 1024)} KB.`);

function addressOf(file) {
  return `/${file.replace(/(^|\/)index\.html$/, "$1").replace(/\.html$/, "")}`;
}
