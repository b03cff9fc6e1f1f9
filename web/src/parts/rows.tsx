"use client";

/** The pictures on this device: how far each is, and what can be done about it. */

import { useState } from "react";

import { useSession } from "@/api/session";
import { useBlobUrl } from "@/photos/blob-url";
import type { Kept } from "@/photos/kept";
import { usePictures } from "@/photos/pictures";
import { sendAll } from "@/photos/sending";
import { useWords, type Words } from "@/words";

import { Button, ButtonLink } from "./button";
import { Icon } from "./icons";

export function Rows() {
  const words = useWords();
  const kept = usePictures((pictures) => pictures.kept);
  if (!kept?.length) return null;
  return (
    <section className="mt-12" aria-labelledby="rows">
      <h2 id="rows" className="mb-4 text-2xl">
        {words("home.waiting")}
      </h2>
      <ul className="grid grid-cols-1 gap-3">
        {kept.map((picture) => (
          <Row key={picture.id} picture={picture} />
        ))}
      </ul>
    </section>
  );
}

function Row({ picture }: { picture: Kept }) {
  const words = useWords();
  const { retry, remove } = usePictures.getState();
  const part = usePictures(({ progress }) => progress[picture.id]);
  const session = useSession((one) => one.state);
  const { id, name, state } = picture;
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-3 rounded-2xl border border-line bg-sheet p-3 shadow-sheet">
      <Thumbnail picture={picture} />
      <div className="min-w-40 flex-1">
        <p className="truncate font-semibold">{name}</p>
        <p className={state === "refused" ? "text-alert" : "text-soft"}>
          {stateOf(picture, part, session, words)}
        </p>
        {state === "waiting" && part !== undefined && part < 1 && (
          <div className="mt-1.5 h-1.5 overflow-hidden rounded-full bg-line">
            <Bar part={part} />
          </div>
        )}
      </div>
      <div className="flex gap-2">
        {state === "refused" ? (
          <Button
            look="quiet"
            aria-label={words("row.retry.this", { name })}
            onClick={() => {
              void retry(id).then(sendAll);
            }}
          >
            {words("row.retry")}
          </Button>
        ) : (
          <ButtonLink
            href={picture.quad ? `/choose?picture=${id}` : `/crop?picture=${id}`}
            look="quiet"
          >
            {words(picture.quad ? "row.go_on" : "row.cut")}
            <span className="sr-only">{name}</span>
          </ButtonLink>
        )}
        <Button
          look="plain"
          className="min-w-12"
          aria-label={words("row.remove.this", { name })}
          onClick={() => void remove(id)}
        >
          <Icon name="close" />
        </Button>
      </div>
    </li>
  );
}

function Bar({ part }: { part: number }) {
  return (
    <svg viewBox="0 0 100 1" preserveAspectRatio="none" className="h-full w-full" aria-hidden="true">
      <rect width={part * 100} height="1" className="fill-ember" />
    </svg>
  );
}

/** Few browsers can show a HEIC: then the place of the picture stays. */
function Thumbnail({ picture }: { picture: Kept }) {
  const url = useBlobUrl(picture.file);
  const [broken, setBroken] = useState<string>();
  return (
    <div className="grid size-16 shrink-0 place-content-center overflow-hidden rounded-lg bg-glow text-ember">
      {url && url !== broken ? (
        <img
          src={url}
          alt=""
          className="size-16 object-cover"
          onError={() => {
            setBroken(url);
          }}
        />
      ) : (
        <Icon name="photos" />
      )}
    </div>
  );
}

function stateOf(
  { state, problem, quad }: Kept,
  part: number | undefined,
  session: string,
  words: Words,
): string {
  if (state === "sent") return words(quad ? "row.marked" : "row.sent");
  if (state === "refused") {
    const key = `problem.${problem?.code ?? "unknown"}`;
    return words.has(key) ? words(key) : (problem?.detail ?? words("row.refused"));
  }
  if (session === "out") return words("row.waiting.out");
  if (session === "away") return words("row.waiting.offline");
  if (part === undefined) return words("row.waiting");
  return words("row.sending", { percent: Math.round(part * 100) });
}
