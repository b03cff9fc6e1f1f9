/** The pictures on this device, as screens see them. */

import { create } from "zustand";

import { newId } from "@/api/client";

import * as kept from "./kept";
import type { Kept } from "./kept";
import type { Quad } from "./quad";
import { emptyShelf } from "./shelved";

export const BYTES_MAX = 50 * 1024 * 1024;
export const ACCEPTED = "image/jpeg,image/png,image/webp,image/heic,image/heif";
const ENDINGS = /\.(jpe?g|png|webp|hei[cf])$/i;

export interface Added {
  pictures: Kept[];
  notPhotos: string[];
  tooLarge: string[];
}

interface Pictures {
  /** Newest first; undefined until the shelf was looked into. */
  kept: Kept[] | undefined;
  /** Which part of a picture that is on its way was sent, 0 to 1. */
  progress: Record<string, number>;
  /** Photos whose pictures have left this device since the page was opened. */
  arrived: Record<string, string>;
  load: () => Promise<void>;
  add: (files: readonly File[]) => Promise<Added>;
  confirm: (id: string, quad: Quad) => Promise<void>;
  retry: (id: string) => Promise<void>;
  remove: (id: string) => Promise<void>;
  letGo: (picture: Kept) => Promise<void>;
  forget: () => Promise<void>;
  showProgress: (id: string, part: number) => void;
}

export const usePictures = create<Pictures>((set, get) => ({
  kept: undefined,
  progress: {},
  arrived: {},

  load: async () => {
    set({ kept: await kept.all() });
  },

  /** Keep files on this device; which ones cannot be photos of ours. Throws when it is full. */
  add: async (files) => {
    const notPhotos = files.filter((file) => !looksLikeAPhoto(file));
    const photos = files.filter(looksLikeAPhoto);
    const tooLarge = photos.filter((file) => file.size > BYTES_MAX);
    const pictures = photos.filter((file) => file.size <= BYTES_MAX).map(picture);
    for (const one of pictures) await kept.keep(one);
    // A browser that runs out of room must not take these first.
    // (A service worker may not ask for that; the page that follows it has.)
    if ("storage" in navigator && "persist" in navigator.storage) void navigator.storage.persist();
    await get().load();
    return { pictures, notPhotos: notPhotos.map(nameOf), tooLarge: tooLarge.map(nameOf) };
  },

  confirm: async (id, quad) => {
    await kept.change(id, { quad });
    await get().load();
  },

  retry: async (id) => {
    // A refusal ends a photo at the gateway: it begins anew.
    await kept.change(id, { state: "waiting", photoId: null, problem: null });
    await get().load();
  },

  remove: async (id) => {
    await kept.remove(id);
    await get().load();
  },

  letGo: async ({ id, photoId }) => {
    if (photoId) set({ arrived: { ...get().arrived, [id]: photoId } });
    await kept.remove(id);
    await get().load();
  },

  /** Leave nothing on this device. */
  forget: async () => {
    await kept.removeAll();
    await emptyShelf();
    await get().load();
  },

  showProgress: (id, part) => {
    set({ progress: { ...get().progress, [id]: part } });
  },
}));

function picture(file: File, place: number): Kept {
  return {
    id: newId(),
    name: nameOf(file),
    file,
    addedAt: Date.now() - place,
    quad: null,
    photoId: null,
    state: "waiting",
    quadSent: null,
    problem: null,
  };
}

// The bytes decide, at the gateway; this only saves people a long wait for a clear no.
function looksLikeAPhoto(file: File): boolean {
  return ACCEPTED.split(",").includes(file.type) || ENDINGS.test(file.name);
}

function nameOf(file: File): string {
  return file.name || "photo.jpg";
}
