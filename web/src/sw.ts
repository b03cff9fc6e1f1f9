/// <reference lib="webworker" />
/** The shell of the app, there without a network. Everything else goes to the network as always. */

import { Serwist, type PrecacheEntry } from "serwist";

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

serwist.addEventListeners();
