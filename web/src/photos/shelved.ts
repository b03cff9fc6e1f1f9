/** The newest photos of the album on this device, small, for when there is no network. */

import { openDB, type DBSchema, type IDBPDatabase } from "idb";

import type { Photo } from "@/api/client";

export const SHELVED_MAX = 60;
/** A thumbnail has some 15 KB; what is larger is none of ours. */
const BYTES_MAX = 200 * 1024;

export interface Shelved {
  id: string;
  name: string;
  createdAt: string;
  thumbnail: Blob;
}

interface Shelves extends DBSchema {
  photos: { key: string; value: Shelved };
}

let opened: Promise<IDBPDatabase<Shelves>> | null = null;

// Of its own, so that pictures that still have to be sent depend on nothing here.
function shelf(): Promise<IDBPDatabase<Shelves>> {
  opened ??= openDB<Shelves>("rekindle-album", 1, {
    upgrade(database) {
      database.createObjectStore("photos", { keyPath: "id" });
    },
  });
  return opened;
}

/** Newest first. */
export async function shelved(): Promise<Shelved[]> {
  const kept = await (await shelf()).getAll("photos");
  return kept.sort((one, other) => other.createdAt.localeCompare(one.createdAt));
}

/** Keep the newest of these photos, and nothing else. */
export async function keepShelf(photos: readonly Photo[]): Promise<void> {
  const database = await shelf();
  const wanted = photos.slice(0, SHELVED_MAX).filter(({ thumbnail_url: url }) => url);
  const before = new Map((await database.getAll("photos")).map((one) => [one.id, one]));
  const stays = new Set(wanted.map(({ id }) => id));
  for (const id of before.keys()) if (!stays.has(id)) await database.delete("photos", id);
  for (const { id, caption, filename, created_at: createdAt, thumbnail_url: url } of wanted) {
    const thumbnail = before.get(id)?.thumbnail ?? (await fetched(url));
    if (!thumbnail) continue;
    const name = caption ?? filename;
    await database.put("photos", { id, name, createdAt, thumbnail });
  }
}

/** Leave nothing of anybody's album on this device. */
export async function emptyShelf(): Promise<void> {
  await (await shelf()).clear("photos");
}

async function fetched(url: string | null): Promise<Blob | undefined> {
  const answer = url ? await fetch(url).catch(() => undefined) : undefined;
  const picture = answer?.ok ? await answer.blob() : undefined;
  return picture && picture.size <= BYTES_MAX ? picture : undefined;
}
