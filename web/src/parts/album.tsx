"use client";

/** Photos by month, each leading to its result, or to what can be done with it, or several at once. */

import Link from "next/link";
import { useCallback, useEffect, useId, useState } from "react";

import type { Job, Photo } from "@/api/client";
import { useRemote } from "@/api/remote";
import { signInAddress, useSession } from "@/api/session";
import { useDeleting } from "@/photos/deleting";
import { keepShelf } from "@/photos/shelved";
import { useWords, type Words } from "@/words";

import { Button, ButtonLink, LeaveLink } from "./button";
import { Picked } from "./picked";
import { Rows } from "./rows";
import { loadShelf, PAGES_MAX, type Shelf } from "./shelf";
import { Heading, Skeleton, Trouble } from "./sheet";
import { ShelvedPhotos } from "./shelved";

const TYPING_MS = 300;

export function Album() {
  const words = useWords();
  const session = useSession((one) => one.state);
  return (
    <>
      <Heading title={words("album.title")} />
      {session === "out" && (
        <>
          <p className="mb-5 text-lg text-soft">{words("album.sign_in")}</p>
          <LeaveLink href={signInAddress("/album")}>{words("sign_in")}</LeaveLink>
        </>
      )}
      {session === "away" && <ShelvedPhotos />}
      {session === "in" && <Shelves />}
      {session === "unknown" && <Skeletons />}
      <Rows />
    </>
  );
}

function Shelves() {
  const words = useWords();
  const [pages, setPages] = useState(1);
  const [typed, setTyped] = useState("");
  const search = useSettled(typed.trim());
  const load = useCallback(() => loadShelf(pages, search), [pages, search]);
  const { data, problem, reload } = useRemote(load, ["uploads", "processing"]);
  useKept(search ? undefined : data?.photos);
  const { waiting, told } = useDeleting();
  // The photos that are picked, while some are to be picked.
  const [picked, setPicked] = useState<readonly string[]>();
  if (!data) return problem ? <Trouble problem={problem} retry={reload} /> : <Skeletons />;
  const photos = data.photos.filter(({ id }) => !waiting.includes(id) && !told.has(id));
  if (!data.photos.length && !search && !typed) return <Empty />;
  return (
    <>
      <Trouble problem={problem} />
      <div className="mb-6 flex flex-wrap items-end gap-3">
        <Search typed={typed} type={setTyped} />
        <Button
          look="quiet"
          aria-pressed={picked !== undefined}
          onClick={() => {
            setPicked(picked ? undefined : []);
          }}
        >
          {words(picked ? "album.pick.end" : "album.pick")}
        </Button>
      </div>
      <p role="status" className={photos.length ? "sr-only" : "text-lg text-soft"}>
        {!photos.length && search && words("album.none", { search })}
      </p>
      {[...byMonth(photos, words)].map(([month, those]) => (
        <section key={month} className="mb-10">
          <h2 className="mb-4 text-xl text-soft">{month}</h2>
          <ul className="grid grid-cols-2 gap-5 sm:grid-cols-3 lg:grid-cols-4">
            {those.map((photo) => (
              <li key={photo.id}>
                {picked ? (
                  <Pick photo={photo} shelf={data} picked={picked} pick={setPicked} />
                ) : (
                  <Tile photo={photo} job={data.jobs.get(photo.id)} />
                )}
              </li>
            ))}
          </ul>
        </section>
      ))}
      {data.hasMore && pages < PAGES_MAX && (
        <Button
          look="quiet"
          onClick={() => {
            setPages(pages + 1);
          }}
        >
          {words("album.more")}
        </Button>
      )}
      {picked && (
        <Picked
          shelf={data}
          ids={picked}
          done={() => {
            setPicked(undefined);
          }}
        />
      )}
    </>
  );
}

/** Have the newest photos on this device, for when there is no network. */
function useKept(photos: readonly Photo[] | undefined): void {
  useEffect(() => {
    // A device that has no room for thumbnails shows the album all the same.
    if (photos) keepShelf(photos).catch(() => undefined);
  }, [photos]);
}

function Empty() {
  const words = useWords();
  return (
    <div className="grid justify-items-center gap-5 rounded-sheet border-2 border-dashed border-edge px-6 py-16 text-center">
      <p className="text-lg">{words("album.empty")}</p>
      <ButtonLink href="/">{words("album.add")}</ButtonLink>
    </div>
  );
}

function Search({ typed, type }: { typed: string; type: (typed: string) => void }) {
  const words = useWords();
  const id = useId();
  return (
    <div className="min-w-0 flex-1 basis-56">
      <label htmlFor={id} className="font-semibold">
        {words("album.search")}
      </label>
      <input
        id={id}
        type="search"
        value={typed}
        maxLength={100}
        onChange={(event) => {
          type(event.target.value);
        }}
        className="mt-1 min-h-12 w-full rounded-xl border-2 border-edge bg-sheet px-3"
      />
    </div>
  );
}

/** What is typed, once nothing was typed for a moment. */
function useSettled(typed: string): string {
  const [settled, setSettled] = useState(typed);
  useEffect(() => {
    const settling = setTimeout(() => {
      setSettled(typed);
    }, TYPING_MS);
    return () => {
      clearTimeout(settling);
    };
  }, [typed]);
  return settled;
}

function byMonth(photos: readonly Photo[], words: Words): Map<string, Photo[]> {
  const months = new Map<string, Photo[]>();
  for (const photo of photos) {
    const month = words.date(photo.created_at, { month: "long", year: "numeric" });
    months.set(month, [...(months.get(month) ?? []), photo]);
  }
  return months;
}

const AT_WORK = ["pending_hold", "queued", "running", "checking"];

function Tile({ photo, job }: { photo: Photo; job: Job | undefined }) {
  const hasJob = job?.state === "completed" || isWorking(job);
  const href = hasJob && job ? `/job?id=${job.id}` : `/choose?photos=${photo.id}`;
  return (
    <Link href={href} prefetch={false} className="group block rounded-lg">
      <Print photo={photo} job={job} />
    </Link>
  );
}

/** A photo that can be picked. */
function Pick(props: {
  photo: Photo;
  shelf: Shelf;
  picked: readonly string[];
  pick: (ids: readonly string[]) => void;
}) {
  const { photo, shelf, picked, pick } = props;
  const isPicked = picked.includes(photo.id);
  return (
    <label className="relative block rounded-lg outline-ember has-checked:outline-4 has-checked:outline-offset-4 has-focus-visible:outline-3 has-focus-visible:outline-offset-4 has-focus-visible:outline-ink">
      <input
        type="checkbox"
        checked={isPicked}
        onChange={() => {
          pick(isPicked ? picked.filter((id) => id !== photo.id) : [...picked, photo.id]);
        }}
        className="absolute top-3 right-3 z-10 size-7 accent-ember outline-none"
      />
      <Print photo={photo} job={shelf.jobs.get(photo.id)} />
    </label>
  );
}

function Print({ photo, job }: { photo: Photo; job: Job | undefined }) {
  const words = useWords();
  const isDone = job?.state === "completed";
  const name = photo.caption ?? photo.filename;
  return (
    <>
      <span className="print relative block aspect-square overflow-hidden transition-transform duration-(--pace) group-hover:-rotate-1">
        {photo.thumbnail_url && (
          <img
            src={photo.thumbnail_url}
            alt={words("album.photo", { name, date: words.date(photo.created_at) })}
            loading="lazy"
            className="size-full object-cover"
          />
        )}
        {(isDone || isWorking(job)) && (
          <span
            className={`absolute bottom-2 left-2 rounded-full px-3 py-0.5 text-sm font-semibold ${isDone ? "bg-leaf-soft text-leaf" : "bg-glow text-ink"}`}
          >
            {words(isDone ? "album.result" : "album.working")}
          </span>
        )}
      </span>
      <span className="mt-2 block truncate text-sm text-soft">{name}</span>
    </>
  );
}

function isWorking(job: Job | undefined): boolean {
  return job !== undefined && AT_WORK.includes(job.state);
}

function Skeletons() {
  return (
    <div className="grid grid-cols-2 gap-5 sm:grid-cols-3 lg:grid-cols-4">
      {[0, 1, 2, 3].map((n) => (
        <Skeleton key={n} className="aspect-square" />
      ))}
    </div>
  );
}
