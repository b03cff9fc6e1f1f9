"use client";

/** The album without a network: what this device has kept of it. */

import { useEffect, useState } from "react";

import { useBlobUrl } from "@/photos/blob-url";
import { shelved, type Shelved } from "@/photos/shelved";
import { useWords } from "@/words";

import { Notice } from "./sheet";

export function ShelvedPhotos() {
  const words = useWords();
  const [photos, setPhotos] = useState<Shelved[]>([]);
  useEffect(() => {
    shelved().then(setPhotos, () => undefined);
  }, []);
  return (
    <>
      <Notice>{words(photos.length ? "album.offline.kept" : "album.offline")}</Notice>
      <ul className="grid grid-cols-2 gap-5 sm:grid-cols-3 lg:grid-cols-4">
        {photos.map((photo) => (
          <li key={photo.id}>
            <Kept photo={photo} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Kept({ photo }: { photo: Shelved }) {
  const words = useWords();
  const url = useBlobUrl(photo.thumbnail);
  return (
    <>
      <span className="print block aspect-square overflow-hidden">
        {url && (
          <img
            src={url}
            alt={words("album.photo", { name: photo.name, date: words.date(photo.createdAt) })}
            className="size-full object-cover"
          />
        )}
      </span>
      <span className="mt-2 block truncate text-sm text-soft">{photo.name}</span>
    </>
  );
}
