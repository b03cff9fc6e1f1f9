/** Pictures on this device: in IndexedDB first, whatever the network does. */

import { openDB, type DBSchema, type IDBPDatabase } from "idb";

import type { Quad } from "./quad";

export interface Kept {
  id: string;
  name: string;
  file: Blob;
  addedAt: number;
  /** The corners that somebody has confirmed. */
  quad: Quad | null;
  /** The photo at the gateway, once it is begun there. */
  photoId: string | null;
  /** `sent`: the gateway has looked at the bytes and taken them. */
  state: "waiting" | "sent" | "refused";
  /** The corners the gateway knows. */
  quadSent: Quad | null;
  /** The code of a refusal, and what it said. */
  problem: { code: string; detail: string } | null;
}

interface Shelf extends DBSchema {
  pictures: { key: string; value: Kept };
}

let opened: Promise<IDBPDatabase<Shelf>> | null = null;

function shelf(): Promise<IDBPDatabase<Shelf>> {
  opened ??= openDB<Shelf>("rekindle", 1, {
    upgrade(database) {
      database.createObjectStore("pictures", { keyPath: "id" });
    },
  });
  return opened;
}

export async function all(): Promise<Kept[]> {
  const kept = await (await shelf()).getAll("pictures");
  return kept.sort((one, other) => other.addedAt - one.addedAt);
}

export async function find(id: string): Promise<Kept | undefined> {
  return (await shelf()).get("pictures", id);
}

export async function keep(picture: Kept): Promise<void> {
  await (await shelf()).put("pictures", picture);
}

/** Change some of a picture that is still there; what became of it. */
export async function change(id: string, some: Partial<Kept>): Promise<Kept | undefined> {
  const writing = (await shelf()).transaction("pictures", "readwrite");
  const before = await writing.store.get(id);
  const after = before && { ...before, ...some };
  if (after) await writing.store.put(after);
  await writing.done;
  return after;
}

export async function remove(id: string): Promise<void> {
  await (await shelf()).delete("pictures", id);
}

export async function removeAll(): Promise<void> {
  await (await shelf()).clear("pictures");
}
