"use client";

/** What can be done with several photos of the album at once. */

import { useState } from "react";

import type { Photo } from "@/api/client";
import { useDeleting } from "@/photos/deleting";
import { saveAll } from "@/photos/saving";
import { useWords } from "@/words";

import { Button, ButtonLink } from "./button";
import { usePress } from "./press";
import type { Shelf } from "./shelf";
import { Trouble } from "./sheet";

/** The screen of an order looks at each of its photos again and again. */
export const PICKED_MAX = 30;

export function Picked(props: { shelf: Shelf; ids: readonly string[]; done: () => void }) {
  const { shelf, ids, done } = props;
  const words = useWords();
  const begin = useDeleting((deleting) => deleting.begin);
  const [saved, setSaved] = useState(0);
  const finished = shelf.photos.flatMap((photo) => finishedOf(photo, shelf, ids));
  const zip = usePress(() => saveAll(finished, setSaved));
  const isOrderable = ids.length > 0 && ids.length <= PICKED_MAX;
  return (
    <div className="sticky bottom-20 z-20 mt-6 rounded-sheet border border-line bg-sheet p-4 shadow-print sm:bottom-4">
      <p className="mb-3 text-center font-semibold" role="status">
        {ids.length > PICKED_MAX
          ? words("album.picked.many", { count: PICKED_MAX })
          : words("album.picked", { count: ids.length })}
      </p>
      <div className="flex flex-wrap justify-center gap-2">
        {isOrderable && (
          <ButtonLink href={`/choose?photos=${ids.join(",")}`}>{words("album.order")}</ButtonLink>
        )}
        {finished.length > 0 && finished.length <= PICKED_MAX && (
          <Button look="quiet" disabled={zip.isBusy} onClick={zip.press}>
            {zip.isBusy
              ? words("album.zip.busy", { done: saved + 1, count: finished.length })
              : words("album.zip", { count: finished.length })}
          </Button>
        )}
        {ids.length > 0 && (
          <Button
            look="quiet"
            onClick={() => {
              begin(ids);
              done();
            }}
          >
            {words("album.delete")}
          </Button>
        )}
        <Button look="plain" onClick={done}>
          {words("album.pick.end")}
        </Button>
      </div>
      <Trouble problem={zip.problem} />
    </div>
  );
}

function finishedOf(photo: Photo, { jobs }: Shelf, ids: readonly string[]) {
  const job = jobs.get(photo.id);
  const isPicture = job?.result?.media_type.startsWith("image/");
  return job && isPicture && ids.includes(photo.id) ? [{ job, photo }] : [];
}
