/** Results that leave the app as files: by names that say what they are, one, or several in a zip. */

import { downloadZip } from "client-zip";

import { api, body, Refused, type Job, type Photo } from "@/api/client";

export type Format = "jpg" | "png";

/** A result, and the photo it was made of if that is still there. */
export interface Finished {
  job: Job;
  photo: Photo | undefined;
}

const TITLE_LENGTH_MAX = 80;
// What no file system or zip may find in a name.
const UNSAFE = /[\\/:*?"<>|]+/g;

/** What a saved result is called: its caption, or else the name of its photo, and its day. */
export function nameOf({ job, photo }: Finished, format: Format): string {
  const title = photo?.caption ?? photo?.filename.replace(/\.\w{1,5}$/, "") ?? "";
  const safe = title.replace(UNSAFE, " ").replace(/^[. ]+|[. ]+$/g, "").slice(0, TITLE_LENGTH_MAX);
  const day = (job.finished_at ?? job.created_at).slice(0, 10);
  return `${safe || "photo"} ${day}.${format}`;
}

/** A JPEG may be less than the whole restoration: `strength` is in per cent. */
export async function save(finished: Finished, format: Format, strength = 100): Promise<void> {
  const { job } = finished;
  const made = strength < 100 ? blended(job, strength) : picture(job, format);
  keep(await (await made).blob(), nameOf(finished, format));
}

/** One file with all these results, fetched one after the other; it is written while they come. */
export async function saveAll(
  results: readonly Finished[],
  told: (done: number) => void,
): Promise<void> {
  const taken = new Set<string>();
  async function* files() {
    for (const [done, finished] of results.entries()) {
      told(done);
      yield { name: unlike(taken, nameOf(finished, "jpg")), input: await picture(finished.job, "jpg") };
    }
  }
  const day = new Date().toISOString().slice(0, 10);
  keep(await downloadZip(files()).blob(), `Rekindle ${day}.zip`);
}

/** A JPEG is made by the gateway; the PNG is what the result is. */
async function picture(job: Job, format: Format): Promise<Response> {
  if (format === "jpg") {
    const params = { path: { job_id: job.id } };
    return new Response(await body(api.GET("/v1/jobs/{job_id}/jpeg", { params, parseAs: "blob" })));
  }
  if (!job.result) throw new Refused("not-found");
  const answer = await fetch(job.result.url).catch(() => undefined);
  if (!answer?.ok) throw new Refused("offline");
  return answer;
}

async function blended(job: Job, strength: number): Promise<Response> {
  const params = { path: { job_id: job.id }, query: { strength } };
  const options = { params, parseAs: "blob" } as const;
  return new Response(await body(api.GET("/v1/jobs/{job_id}/result/blend", options)));
}

/** A name that nothing else in the zip has. */
function unlike(taken: Set<string>, name: string): string {
  const [, stem = name, ending = ""] = /^(.*)(\.\w+)$/.exec(name) ?? [];
  let chosen = name;
  for (let n = 2; taken.has(chosen); n += 1) chosen = `${stem} (${n})${ending}`;
  taken.add(chosen);
  return chosen;
}

/** A link to another origin would open a picture instead of saving it. */
function keep(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
}
