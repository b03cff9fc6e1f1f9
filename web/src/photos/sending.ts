/**
 * Makes the gateway know what is on this device.
 *
 *     waiting ──begun, sent, completed──▶ sent ──corners confirmed──▶ gone from here
 *        └──────────refused──────────▶ refused
 *
 * Each step is written down before the next, so that a killed browser goes on where it was, and
 * each may be repeated. One picture after the other: the line of an attic is thin.
 */

import { api, body, Refused } from "@/api/client";
import { useSession } from "@/api/session";

import * as kept from "./kept";
import type { Kept } from "./kept";
import { isSame, type Quad } from "./quad";
import { usePictures } from "./pictures";
import { send } from "./storage";

const AGAIN_MS = 15_000;
const ROUNDS_MAX = 10;
const STALE = [403, 404];

let running: Promise<void> | null = null;
let again: ReturnType<typeof setTimeout> | undefined;

/** Send everything that waits, unless that goes on already. */
export function sendAll(): Promise<void> {
  running ??= sendWaiting().finally(() => {
    running = null;
  });
  return running;
}

async function sendWaiting(): Promise<void> {
  if (useSession.getState().state !== "in" || !navigator.onLine) return;
  clearTimeout(again);
  // The list is read anew each time: pictures come while others are sent.
  for (let next = await nextToSend(); next; next = await nextToSend()) {
    try {
      await sendOne(next);
    } catch (error) {
      const refused = error instanceof Refused ? error : new Refused("unknown", 500);
      if (refused.passes || refused.code === "unauthenticated") {
        again = setTimeout(() => void sendAll(), AGAIN_MS);
        break;
      }
      const { code, message: detail } = refused;
      await kept.change(next.id, { state: "refused", problem: { code, detail } });
    } finally {
      await usePictures.getState().load();
    }
  }
}

async function nextToSend(): Promise<Kept | undefined> {
  const pictures = await kept.all();
  return pictures.reverse().find((one) => one.state === "waiting" || hasNews(one));
}

function hasNews(picture: Kept): boolean {
  const { quad, quadSent, state } = picture;
  return state === "sent" && quad !== null && !(quadSent && isSame(quad, quadSent));
}

async function sendOne(picture: Kept): Promise<void> {
  if (picture.state === "waiting") await bring(picture);
  else await cut(picture);
}

async function bring(picture: Kept): Promise<void> {
  const { photoId, isNew } = await begun(picture);
  const now = await kept.find(picture.id);
  // The corners may have been confirmed, or the picture removed, while its bytes were on the way.
  if (!now) {
    await body(api.DELETE("/v1/photos/{photo_id}", at(photoId)));
    return;
  }
  await body(
    api.POST("/v1/photos/{photo_id}/complete", { ...at(photoId), body: { quad: plain(now.quad) } }),
  );
  // A file that had been here before keeps its old corners: they are told once more.
  await settle(picture.id, isNew ? now.quad : null);
}

/** Announce a picture and bring its bytes into the storage. */
async function begun(picture: Kept): Promise<{ photoId: string; isNew: boolean }> {
  const { showProgress } = usePictures.getState();
  const progress = (part: number) => {
    showProgress(picture.id, part);
  };
  progress(0);
  const announced = {
    filename: picture.name,
    size: picture.file.size,
    sha256: await sha256(picture.file),
  };
  for (let round = 1; ; round += 1) {
    // Announced again it is the same photo, with fresh addresses for what is missing.
    const { photo, upload } = await body(api.POST("/v1/photos", { body: announced }));
    await kept.change(picture.id, { photoId: photo.id });
    try {
      if (upload) await send(upload, picture.file, progress);
    } catch (error) {
      if (!isStale(error) || round === ROUNDS_MAX) throw error;
      continue;
    }
    progress(1);
    return { photoId: photo.id, isNew: upload !== null };
  }
}

/** What the storage says to an address whose time is over: a slow line takes minutes. */
function isStale(error: unknown): boolean {
  return error instanceof Refused && error.code === "storage" && STALE.includes(error.status);
}

async function cut({ id, photoId, quad }: Kept): Promise<void> {
  if (!photoId) return;
  await body(api.PUT("/v1/photos/{photo_id}/quad", { ...at(photoId), body: { quad: plain(quad) } }));
  await settle(id, quad);
}

/** The gateway has it; once it has the confirmed corners too, it need not stay on this device. */
async function settle(id: string, quadSent: Quad | null): Promise<void> {
  const now = await kept.change(id, { state: "sent", quadSent, problem: null });
  if (now?.quad && quadSent && isSame(now.quad, quadSent)) await usePictures.getState().letGo(now);
}

function at(photoId: string) {
  return { params: { path: { photo_id: photoId } } };
}

function plain(quad: Quad | null): [number, number][] | null {
  return quad && quad.map(([x, y]) => [x, y]);
}

/** The file's own name, so that the same file is kept only once; secure addresses only. */
async function sha256(file: Blob): Promise<string | null> {
  if (!("subtle" in crypto)) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
