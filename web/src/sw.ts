/// <reference lib="webworker" />
/** The shell of the app, there without a network, and photos that other apps share. Everything else
 * goes to the network as always. */

import { Serwist, type PrecacheEntry } from "serwist";

import { SHARED_TO, takeShared } from "./photos/shared";

// Written in by scripts/service-worker.mjs: what `next build` made, with its hashes.
declare const self: ServiceWorkerGlobalScope & { __SW_MANIFEST: PrecacheEntry[] };

const serwist = new Serwist({
  precacheEntries: self.__SW_MANIFEST,
  precacheOptions: {
    cleanupOutdatedCaches: true,
    // `/crop?picture=…` is the page `/crop`; which picture, its script reads.
    ignoreURLParametersMatching: [/.*/],
  },
  clientsClaim: true,
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "POST" && new URL(request.url).pathname === SHARED_TO) {
    event.respondWith(takeShared(request));
  }
});
serwist.addEventListeners();
