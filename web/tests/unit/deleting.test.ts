import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

const deleted: string[] = [];
let status = 204;

globalThis.fetch = (asked) => {
  deleted.push((asked as Request).url.split("/").at(-1) ?? "");
  return Promise.resolve(new Response(status === 204 ? null : "{}", { status }));
};
// What a browser resolves addresses against.
const { Request: Asked } = globalThis;
globalThis.Request = class extends Asked {
  constructor(input: RequestInfo | URL, init?: RequestInit) {
    super(typeof input === "string" ? new URL(input, "http://localhost") : input, init);
  }
};
const { SECOND_THOUGHTS_MS, useDeleting } = await import("../../src/photos/deleting.ts");
mock.timers.enable({ apis: ["setTimeout"] });

const told = async () => {
  for (let n = 0; n < 20; n += 1) await new Promise(setImmediate);
};

beforeEach(() => {
  deleted.length = 0;
  status = 204;
  useDeleting.setState({ waiting: [], told: new Set(), problem: undefined });
});

test("what is taken back in time was never told to the gateway", async () => {
  useDeleting.getState().begin(["a"]);
  mock.timers.tick(SECOND_THOUGHTS_MS - 1);
  useDeleting.getState().undo();
  mock.timers.tick(SECOND_THOUGHTS_MS);
  await told();

  assert.deepEqual(deleted, []);
  assert.deepEqual(useDeleting.getState().waiting, []);
});

test("what is not taken back is deleted, and the next deletion confirms the one before", async () => {
  useDeleting.getState().begin(["a", "b"]);
  useDeleting.getState().begin(["c"]);
  await told();
  assert.deepEqual(deleted, ["a", "b"]);
  mock.timers.tick(SECOND_THOUGHTS_MS);
  await told();

  assert.deepEqual(deleted, ["a", "b", "c"]);
  assert.deepEqual([...useDeleting.getState().told], ["a", "b", "c"]);
});

test("what the gateway does not delete is shown again, with the reason", async () => {
  status = 503;
  useDeleting.getState().begin(["a"]);
  mock.timers.tick(SECOND_THOUGHTS_MS);
  await told();

  assert.deepEqual([...useDeleting.getState().told], []);
  assert.equal(useDeleting.getState().problem?.status, 503);
});
