"use client";

/** Photos by month, each leading to its result, or to what can be done with it. */

import Link from "next/link";
import { useCallback, useState } from "react";

import { api, body, type Job, type Photo } from "@/api/client";
import { useRemote } from "@/api/remote";
import { signInAddress, useSession } from "@/api/session";
import { useWords, type Words } from "@/words";

import { Button, ButtonLink, LeaveLink } from "./button";
import { Rows } from "./rows";
import { Heading, Notice, Skeleton, Trouble } from "./sheet";

const PAGE = 30;
const PAGES_MAX = 20;

interface Shelf {
  photos: Photo[];
  jobs: Map<string, Job>;
  hasMore: boolean;
}

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
      {session === "away" && <Notice>{words("album.offline")}</Notice>}
      {session === "in" && <Shelves />}
      {session === "unknown" && <Skeletons />}
      <Rows />
    </>
  );
}

function Shelves() {
  const words = useWords();
  const [pages, setPages] = useState(1);
  const load = useCallback(() => loadShelf(pages), [pages]);
  const { data, problem, reload } = useRemote(load, ["uploads", "processing"]);
  if (!data) return problem ? <Trouble problem={problem} retry={reload} /> : <Skeletons />;
  if (!data.photos.length) {
    return (
      <div className="grid justify-items-center gap-5 rounded-sheet border-2 border-dashed border-edge px-6 py-16 text-center">
        <p className="text-lg">{words("album.empty")}</p>
        <ButtonLink href="/">{words("album.add")}</ButtonLink>
      </div>
    );
  }
  return (
    <>
      <Trouble problem={problem} />
      {[...byMonth(data.photos, words)].map(([month, photos]) => (
        <section key={month} className="mb-10">
          <h2 className="mb-4 text-xl text-soft">{month}</h2>
          <ul className="grid grid-cols-2 gap-5 sm:grid-cols-3 lg:grid-cols-4">
            {photos.map((photo) => (
              <Tile key={photo.id} photo={photo} job={data.jobs.get(photo.id)} />
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
    </>
  );
}

/** So many pages of photos, and the newest job of each. */
async function loadShelf(pages: number): Promise<Shelf> {
  const photos: Photo[] = [];
  const jobs = new Map<string, Job>();
  let photoCursor: string | null | undefined;
  let jobCursor: string | null | undefined;
  for (let page = 0; page < pages; page += 1) {
    if (photoCursor !== null) {
      const query = { limit: PAGE, state: "ready" as const, ...cursorOf(photoCursor) };
      const found = await body(api.GET("/v1/photos", { params: { query } }));
      photos.push(...found.items);
      photoCursor = found.next_cursor;
    }
    if (jobCursor !== null) {
      const query = { limit: PAGE, ...cursorOf(jobCursor) };
      const found = await body(api.GET("/v1/jobs", { params: { query } }));
      jobCursor = found.next_cursor;
      for (const job of found.items) {
        for (const id of job.photo_ids) if (!jobs.has(id)) jobs.set(id, job);
      }
    }
  }
  return { photos, jobs, hasMore: Boolean(photoCursor) };
}

function cursorOf(cursor: string | null | undefined): { cursor?: string } {
  return cursor ? { cursor } : {};
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
  const words = useWords();
  const isDone = job?.state === "completed";
  const isWorking = job !== undefined && AT_WORK.includes(job.state);
  const href = isDone || isWorking ? `/job?id=${job.id}` : `/choose?photos=${photo.id}`;
  return (
    <li>
      <Link href={href} prefetch={false} className="group block rounded-lg">
        <span className="print relative block aspect-square overflow-hidden transition-transform duration-(--pace) group-hover:-rotate-1">
          {photo.thumbnail_url && (
            <img
              src={photo.thumbnail_url}
              alt={words("album.photo", {
                name: photo.filename,
                date: words.date(photo.created_at),
              })}
              loading="lazy"
              className="size-full object-cover"
            />
          )}
          {(isDone || isWorking) && (
            <span
              className={`absolute bottom-2 left-2 rounded-full px-3 py-0.5 text-sm font-semibold ${isDone ? "bg-leaf-soft text-leaf" : "bg-glow text-ink"}`}
            >
              {words(isDone ? "album.result" : "album.working")}
            </span>
          )}
        </span>
        <span className="mt-2 block truncate text-sm text-soft">{photo.filename}</span>
      </Link>
    </li>
  );
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
