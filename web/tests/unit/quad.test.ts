import assert from "node:assert/strict";
import { test } from "node:test";

import { isSame, isSound, moved, place, PLACED, turned, upright, WHOLE } from "../../src/photos/quad.ts";
import type { Quad, Turns } from "../../src/photos/quad.ts";

const TILTED: Quad = [
  [0.25, 0.125],
  [0.75, 0.25],
  [0.875, 0.75],
  [0.125, 0.875],
];

test("the whole picture and the first place of the corners are prints", () => {
  assert.ok(isSound(WHOLE));
  assert.ok(isSound(PLACED));
});

test("corners that cross, or go the other way round, are no print", () => {
  assert.ok(!isSound([TILTED[1], TILTED[0], TILTED[2], TILTED[3]]));
  assert.ok(!isSound([TILTED[3], TILTED[2], TILTED[1], TILTED[0]]));
});

test("a slip of the finger is no print", () => {
  const slip: Quad = [
    [0.5, 0.5],
    [0.56, 0.5],
    [0.56, 0.56],
    [0.5, 0.56],
  ];
  assert.ok(!isSound(slip));
});

test("a corner moves alone, and stays in the picture", () => {
  const next = moved(TILTED, { kind: "corner", index: 0 }, -1, -1);

  assert.deepEqual(next, [[0, 0], TILTED[1], TILTED[2], TILTED[3]]);
});

test("an edge moves with both of its corners", () => {
  const next = moved(WHOLE, { kind: "edge", index: 3 }, 0.25, 0);

  assert.deepEqual(next, [
    [0.25, 0],
    [1, 0],
    [1, 1],
    [0.25, 1],
  ]);
});

test("a corner cannot be pushed over the opposite edge", () => {
  assert.deepEqual(moved(TILTED, { kind: "corner", index: 0 }, 0.7, 0.7), TILTED);
});

test("an edge is between its corners", () => {
  assert.deepEqual(place(TILTED, { kind: "edge", index: 0 }), [0.5, 0.1875]);
});

test("turning begins with the corner that is upper left then", () => {
  assert.deepEqual(turned(TILTED, 1), [
    [0.125, 0.125],
    [0.875, 0.25],
    [0.75, 0.75],
    [0.25, 0.875],
  ]);
});

for (const turns of [0, 1, 2, 3] as Turns[]) {
  test(`a print that was turned by ${turns} quarters lies where it lay, and starts elsewhere`, () => {
    const back = upright(turned(TILTED, turns), turns);

    const expected = TILTED.map((_, n) => TILTED[(n + 4 - turns) % 4]);
    assert.deepEqual(back, expected);
    assert.ok(isSound(back));
    assert.equal(isSame(back, TILTED), turns === 0);
  });
}
