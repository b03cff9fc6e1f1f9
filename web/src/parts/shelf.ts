/** What the album shows: photos, newest first, and what became of each. */

import { api, body, type Job, type Photo } from "@/api/client";

export const PAGES_MAX = 20;
const PAGE = 30;
const JOBS_PAGE = 100;

export interface Shelf {
  photos: Photo[];
  /** The newest job of each photo. */
  jobs: Map<string, Job>;
  hasMore: boolean;
}

/** So many pages of the photos whose caption or name contains what is searched for. */
export async function loadShelf(pages: number, search: string): Promise<Shelf> {
  const photos: Photo[] = [];
  const jobs = new Map<string, Job>();
  let photoCursor: string | null | undefined;
  let jobCursor: string | null | undefined;
  for (let page = 0; page < pages; page += 1) {
    if (photoCursor !== null) {
      const wanted = { limit: PAGE, state: "ready" as const, ...(search ? { search } : {}) };
      const query = { ...wanted, ...cursorOf(photoCursor) };
      const found = await body(api.GET("/v1/photos", { params: { query } }));
      photos.push(...found.items);
      photoCursor = found.next_cursor;
    }
    if (jobCursor !== null) {
      const query = { limit: JOBS_PAGE, ...cursorOf(jobCursor) };
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
