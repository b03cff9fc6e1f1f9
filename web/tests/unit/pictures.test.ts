import "fake-indexeddb/auto";

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import * as kept from "../../src/photos/kept.ts";
import { BYTES_MAX, usePictures } from "../../src/photos/pictures.ts";
import { WHOLE } from "../../src/photos/quad.ts";

// Node 20 has none; what is asked of it here, browsers may refuse as well.
if (!("navigator" in globalThis)) Object.defineProperty(globalThis, "navigator", { value: {} });

const pictures = () => usePictures.getState();

function file(name: string, type = "image/jpeg", size = 10): File {
  return new File([new Uint8Array(size)], name, { type });
}

beforeEach(async () => {
  for (const { id } of await kept.all()) await kept.remove(id);
  usePictures.setState({ kept: undefined, progress: {}, arrived: {} });
});

test("files are kept on the device before anything else, the first one on top", async () => {
  const added = await pictures().add([file("a.jpg"), file("b.HEIC", "")]);

  assert.deepEqual(
    pictures().kept?.map(({ name, state, quad }) => [name, state, quad]),
    [
      ["a.jpg", "waiting", null],
      ["b.HEIC", "waiting", null],
    ],
  );
  assert.equal((await kept.find(added.pictures[0]?.id ?? ""))?.file.size, 10);
});

test("what cannot be a photo of ours is named, and not kept", async () => {
  const large = file("large.png", "image/png");
  Object.defineProperty(large, "size", { value: BYTES_MAX + 1 });

  const added = await pictures().add([file("words.txt", "text/plain"), large]);

  assert.deepEqual(added, { pictures: [], notPhotos: ["words.txt"], tooLarge: ["large.png"] });
  assert.deepEqual(pictures().kept, []);
});

test("confirmed corners are written down", async () => {
  const { pictures: added } = await pictures().add([file("a.jpg")]);
  const id = added[0]?.id ?? "";

  await pictures().confirm(id, WHOLE);

  assert.deepEqual((await kept.find(id))?.quad, WHOLE);
  assert.deepEqual(pictures().kept?.[0]?.quad, WHOLE);
});

test("a picture that was refused begins anew, and keeps its corners", async () => {
  const { pictures: added } = await pictures().add([file("a.jpg")]);
  const id = added[0]?.id ?? "";
  await pictures().confirm(id, WHOLE);
  await kept.change(id, { state: "refused", photoId: "1", problem: { code: "x", detail: "" } });

  await pictures().retry(id);

  const again = await kept.find(id);
  assert.equal(again?.state, "waiting");
  assert.equal(again.photoId, null);
  assert.deepEqual(again.quad, WHOLE);
});

test("what the gateway has leaves the device, and is known by its photo", async () => {
  const { pictures: added } = await pictures().add([file("a.jpg")]);
  const id = added[0]?.id ?? "";
  const changed = await kept.change(id, { photoId: "photo-1" });
  assert.ok(changed);

  await pictures().letGo(changed);

  assert.deepEqual(pictures().kept, []);
  assert.deepEqual(pictures().arrived, { [id]: "photo-1" });
});

test("changing a picture that is gone brings none back", async () => {
  assert.equal(await kept.change("nowhere", { state: "sent" }), undefined);
  assert.deepEqual(await kept.all(), []);
});
