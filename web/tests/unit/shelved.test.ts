import "fake-indexeddb/auto";

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import type { Photo } from "../../src/api/client.ts";
import { emptyShelf, keepShelf, shelved, SHELVED_MAX } from "../../src/photos/shelved.ts";

let asked = 0;
let bytes = 10;

globalThis.fetch = () => {
  asked += 1;
  return Promise.resolve(new Response(new Uint8Array(bytes)));
};

function photos(count: number, more: Partial<Photo> = {}): Photo[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `photo-${n}`,
    filename: `${n}.jpg`,
    caption: null,
    created_at: `2026-12-01T09:00:00.${String(999 - n).padStart(3, "0")}Z`,
    thumbnail_url: "http://localhost/thumbnail",
    ...more,
  })) as Photo[];
}

beforeEach(async () => {
  await emptyShelf();
  asked = 0;
  bytes = 10;
});

test("the newest photos are kept, each fetched once, and no more than so many", async () => {
  await keepShelf(photos(SHELVED_MAX + 5));
  await keepShelf(photos(SHELVED_MAX + 5, { caption: "Emma" }));

  const kept = await shelved();
  assert.equal(kept.length, SHELVED_MAX);
  assert.equal(kept[0]?.id, "photo-0");
  assert.equal(kept[0].name, "Emma");
  assert.equal(asked, SHELVED_MAX);
});

test("what left the album leaves the device, also of whoever comes next", async () => {
  await keepShelf(photos(3));
  await keepShelf(photos(2));
  assert.equal((await shelved()).length, 2);
  await keepShelf([]);

  assert.deepEqual(await shelved(), []);
});

test("what is too large for a thumbnail is not kept", async () => {
  bytes = 300 * 1024;
  await keepShelf(photos(1));

  assert.deepEqual(await shelved(), []);
});
