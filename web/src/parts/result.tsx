"use client";

import { useState } from "react";

import type { Job, Photo } from "@/api/client";
import { useWords } from "@/words";

import { Button, ButtonLink } from "./button";
import { Compare } from "./compare";
import { Icon } from "./icons";
import { Share } from "./share";
import { Heading, Notice, Trouble } from "./sheet";
import { Unlike } from "./unlike";
import { Refused } from "@/api/client";

/** The result beside what it was made from; the addresses of the first look go on being used. */
export function Result({ job, photo }: { job: Job; photo: Photo | undefined }) {
  const words = useWords();
  const [first] = useState({ after: job.result?.url, before: photo?.master_url });
  const [isUnlike, setIsUnlike] = useState(false);
  const [left, setLeft] = useState<number>();
  const isColoured = job.kind !== "restore";
  return (
    <>
      <Heading
        title={words("job.title.completed")}
        lead={isColoured ? words("job.guess") : undefined}
      />
      {job.result && first.after && (
        <Compare
          before={first.before ?? undefined}
          after={first.after}
          width={job.result.width}
          height={job.result.height}
        />
      )}
      {left !== undefined && (
        <Notice tone="good">{words("job.unlike.done", { available: left })}</Notice>
      )}
      <div className="mt-3 flex flex-wrap items-center justify-center gap-3">
        <Save job={job} filename={photo?.filename ?? "photo"} />
        <Share jobId={job.id} />
        <ButtonLink href="/" look="quiet">
          {words("job.another")}
        </ButtonLink>
        {left === undefined && (
          <Button
            look="plain"
            onClick={() => {
              setIsUnlike(true);
            }}
          >
            {words("job.unlike")}
          </Button>
        )}
      </div>
      {isUnlike && (
        <Unlike
          jobId={job.id}
          close={() => {
            setIsUnlike(false);
          }}
          done={(available) => {
            setIsUnlike(false);
            setLeft(available);
          }}
        />
      )}
    </>
  );
}

function Save({ job, filename }: { job: Job; filename: string }) {
  const words = useWords();
  const [problem, setProblem] = useState<Refused>();
  const save = () => {
    if (!job.result) return;
    setProblem(undefined);
    saveAs(job.result.url, named(filename, job)).catch(() => {
      setProblem(new Refused("offline"));
    });
  };
  return (
    <div>
      <Trouble problem={problem} />
      <Button className="min-h-14 text-lg" onClick={save}>
        <Icon name="save" />
        {words("job.download")}
      </Button>
    </div>
  );
}

/** A link of another origin would open the picture instead of saving it. */
async function saveAs(address: string, name: string): Promise<void> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(String(answer.status));
  const url = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
}

function named(filename: string, { kind, result }: Job): string {
  const stem = filename.replace(/\.\w{1,5}$/, "");
  return `${stem} ${kind.replaceAll("_", " ")}.${result?.media_type === "image/png" ? "png" : "jpg"}`;
}
