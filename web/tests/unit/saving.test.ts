import assert from "node:assert/strict";
import { test } from "node:test";

import type { Job, Photo } from "../../src/api/client.ts";
import { nameOf } from "../../src/photos/saving.ts";

const job = { created_at: "2026-12-01T09:00:00Z", finished_at: "2026-12-02T00:01:00Z" } as Job;

function named(photo?: Partial<Photo>): string {
  return nameOf({ job, photo: photo as Photo | undefined }, "jpg");
}

test("a saved result is called after its caption, else its photo, and its day", () => {
  assert.equal(named({ caption: "Emma, 1936", filename: "a.jpg" }), "Emma, 1936 2026-12-02.jpg");
  assert.equal(named({ caption: null, filename: "scan.v2.heic" }), "scan.v2 2026-12-02.jpg");
  assert.equal(named(), "photo 2026-12-02.jpg");
});

test("no caption leads out of the folder or breaks a name", () => {
  assert.equal(named({ caption: "../etc/a:b", filename: "" }), "etc a b 2026-12-02.jpg");
  assert.equal(named({ caption: "x".repeat(200), filename: "" }).length, 95);
  assert.equal(named({ caption: "...", filename: "" }), "photo 2026-12-02.jpg");
});
