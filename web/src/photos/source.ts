/**
 * The picture that is to be marked: on this device, at the gateway, or (for a while) both.
 *
 * A HEIC that the browser cannot show is shown as soon as the gateway has prepared it.
 */

import { useCallback, useEffect, useState } from "react";

import { api, body, type Photo } from "@/api/client";
import { useRemote } from "@/api/remote";
import type { Size } from "@/parts/turned";

import { useBlobUrl } from "./blob-url";
import type { Kept } from "./kept";
import { usePictures } from "./pictures";

const LOOK_EVERY_MS = 3_000;

export interface Source {
  kept: Kept | undefined;
  photoId: string;
  photo: Photo | undefined;
  picture: { src: string; size: Size } | undefined;
  /** Whether the browser could not open it, so that the prepared one is waited for. */
  isUnseen: boolean;
  isGone: boolean;
  /** Why the gateway did not take it, in its own words. */
  refusal: string | undefined;
}

export function useSource(pictureId: string, photoId: string): Source {
  const pictures = usePictures((state) => state.kept);
  const arrived = usePictures((state) => state.arrived[pictureId]);
  const kept = pictures?.find((one) => one.id === pictureId);
  // The bytes are there once the gateway has looked at them, not when they were announced.
  const known = photoId || arrived || (kept?.state === "sent" && kept.photoId) || "";
  const load = useCallback(
    () => body(api.GET("/v1/photos/{photo_id}", { params: { path: { photo_id: known } } })),
    [known],
  );
  const remote = useRemote(known ? load : null, ["uploads"], LOOK_EVERY_MS);
  // Signed addresses change with every look; the picture behind the first one is the same.
  const [frame, setFrame] = useState<string>();
  const fresh = remote.data?.frame_url;
  if (fresh && !frame) setFrame(fresh);
  const own = useMeasured(useBlobUrl(kept?.file));
  const prepared = useMeasured(own.isBroken || !kept ? frame : undefined);
  const isMissing = Boolean(pictureId) && pictures !== undefined && !kept && !arrived;
  return {
    kept,
    photoId: known,
    photo: remote.data,
    picture: own.picture ?? prepared.picture,
    isUnseen: own.isBroken,
    refusal: kept?.problem?.detail ?? remote.data?.problem?.detail,
    isGone: isMissing || kept?.state === "refused" || remote.problem?.code === "not-found" || remote.data?.state === "rejected",
  };
}

interface Measured {
  picture?: { src: string; size: Size };
  isBroken: boolean;
}

function useMeasured(src: string | undefined): Measured {
  const [measured, setMeasured] = useState<Measured & { of?: string }>({ isBroken: false });
  useEffect(() => {
    if (!src) return;
    const image = new Image();
    image.onload = () => {
      const size = { width: image.naturalWidth, height: image.naturalHeight };
      setMeasured({ of: src, picture: { src, size }, isBroken: false });
    };
    image.onerror = () => {
      setMeasured({ of: src, isBroken: true });
    };
    image.src = src;
    return () => {
      image.onload = image.onerror = null;
    };
  }, [src]);
  return measured.of === src ? measured : { isBroken: false };
}
