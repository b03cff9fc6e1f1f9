"use client";

/** One piece of work, from the queue to the result; what is shown is always what the server says. */

import { useCallback, useState } from "react";

import { api, body, Refused, type Job, type Photo } from "@/api/client";
import { useRemote } from "@/api/remote";
import { signInAddress } from "@/api/session";
import { useWords, type Words } from "@/words";

import { Button, ButtonLink, LeaveLink } from "./button";
import { Icon } from "./icons";
import { Result } from "./result";
import { Heading, Notice, Sheet, Skeleton, Trouble } from "./sheet";

const LOOK_EVERY_MS = 4_000;
const STAGES = ["queued", "running", "checking", "completed"] as const;

export function JobScreen({ jobId }: { jobId: string }) {
  const words = useWords();
  const load = useCallback(() => loadJob(jobId), [jobId]);
  const { data, problem, reload } = useRemote(load, ["processing"], LOOK_EVERY_MS);
  if (!data) {
    if (problem?.code === "unauthenticated") {
      return (
        <>
          <Heading title={words("job.title.working")} lead={words("problem.unauthenticated")} />
          <LeaveLink href={signInAddress(`/job?id=${jobId}`)}>{words("sign_in")}</LeaveLink>
        </>
      );
    }
    return problem ? (
      <>
        <Heading title={words("job.title.working")} />
        <Trouble problem={problem} retry={reload} />
      </>
    ) : (
      <>
        <Heading title={words("job.title.working")} />
        <Skeleton className="mx-auto h-96 max-w-xl" />
      </>
    );
  }
  const { job, photo } = data;
  if (job.state === "completed" && job.result) return <Result job={job} photo={photo} />;
  if (job.state === "failed" || job.state === "rejected" || job.state === "cancelled") {
    return <Ended job={job} />;
  }
  return <Working job={job} photo={photo} reload={reload} />;
}

/** The photo may be gone while its result is there. */
async function loadJob(jobId: string): Promise<{ job: Job; photo: Photo | undefined }> {
  const job = await body(api.GET("/v1/jobs/{job_id}", { params: { path: { job_id: jobId } } }));
  const [photoId] = job.photo_ids;
  const photo = photoId
    ? await body(api.GET("/v1/photos/{photo_id}", { params: { path: { photo_id: photoId } } })).catch(
        () => undefined,
      )
    : undefined;
  return { job, photo };
}

function Working(props: { job: Job; photo: Photo | undefined; reload: () => void }) {
  const { job, photo, reload } = props;
  const words = useWords();
  return (
    <>
      <Heading title={words("job.title.working")} lead={words("job.close")} />
      <div className="grid grid-cols-1 items-center gap-8 md:grid-cols-2">
        <div className="mx-auto w-full max-w-sm">
          {photo?.preview_url ? (
            <img
              src={photo.preview_url}
              alt={photo.filename}
              width={photo.width ?? undefined}
              height={photo.height ?? undefined}
              className="print mx-auto max-h-[32dvh] w-auto md:max-h-[50dvh]"
            />
          ) : (
            <div className="print">
              <Skeleton className="aspect-[4/5] w-full" />
            </div>
          )}
        </div>
        <Sheet>
          <Stages job={job} />
          <Cancel job={job} reload={reload} />
        </Sheet>
      </div>
    </>
  );
}

function Stages({ job }: { job: Job }) {
  const words = useWords();
  const now = STAGES.indexOf(job.state === "pending_hold" ? "queued" : (job.state as "queued"));
  return (
    <ol className="grid grid-cols-1 gap-1" aria-live="polite">
      {STAGES.map((stage, n) => (
        <li
          key={stage}
          aria-current={n === now ? "step" : undefined}
          className="flex gap-4 rounded-xl p-2.5 aria-[current]:bg-glow"
        >
          <span
            className={`grid size-9 shrink-0 place-content-center rounded-full border-2 ${
              n < now
                ? "border-leaf bg-leaf-soft text-leaf"
                : n === now
                  ? "border-ember text-ember"
                  : "border-line text-soft"
            }`}
          >
            {n < now ? <Icon name="check" className="size-5" /> : n + 1}
          </span>
          <span className={`pt-1 ${n > now ? "text-soft" : "font-semibold"}`}>
            {words(`job.stage.${stage}`)}
            {n === now && stage === "queued" && <Position job={job} words={words} />}
            {n === now && stage !== "queued" && (
              <span className="skeleton mt-2 block h-1.5 w-40 max-w-full" />
            )}
          </span>
        </li>
      ))}
    </ol>
  );
}

function Position({ job, words }: { job: Job; words: Words }) {
  const { position, starts_in_s: startsIn, paused_until: pausedUntil } = job;
  if (pausedUntil) {
    return (
      <span className="block font-normal">
        {words("job.paused", { time: words.date(pausedUntil, { timeStyle: "short" }) })}
      </span>
    );
  }
  return (
    <span className="block font-normal text-soft">
      {position !== null && words("job.position", { count: position })}{" "}
      {startsIn !== null &&
        words("job.starts_in", {
          time: words("minutes", { count: Math.max(1, Math.round(startsIn / 60)) }),
        })}
    </span>
  );
}

function Cancel({ job, reload }: { job: Job; reload: () => void }) {
  const words = useWords();
  const [problem, setProblem] = useState<Refused>();
  const cancel = () => {
    body(api.POST("/v1/jobs/{job_id}/cancel", { params: { path: { job_id: job.id } } }))
      .catch((error: unknown) => {
        setProblem(error instanceof Refused ? error : new Refused("unknown"));
      })
      .finally(reload);
  };
  return (
    <>
      <Trouble problem={problem} />
      <Button look="plain" className="mt-4" onClick={cancel}>
        {words("job.cancel")}
      </Button>
    </>
  );
}

function Ended({ job }: { job: Job }) {
  const words = useWords();
  const isCancelled = job.state === "cancelled";
  return (
    <>
      <Heading title={words(isCancelled ? "job.title.cancelled" : "job.title.ended")} />
      <Notice tone={isCancelled ? "calm" : "alert"}>
        {job.problem && !isCancelled && <p>{job.problem.detail}</p>}
        <p>{words(isCancelled ? "job.cancelled" : "job.failed")}</p>
      </Notice>
      <div className="flex flex-wrap gap-3">
        <ButtonLink href={`/choose?photos=${job.photo_ids.join(",")}`}>{words("job.again")}</ButtonLink>
        <ButtonLink href="/" look="quiet">
          {words("job.another")}
        </ButtonLink>
      </div>
    </>
  );
}
