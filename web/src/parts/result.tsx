"use client";

import { useState } from "react";

import type { Job, Photo } from "@/api/client";
import { useWords } from "@/words";

import { Button, ButtonLink } from "./button";
import { Caption } from "./caption";
import { Compare } from "./compare";
import { Save } from "./save";
import { Share } from "./share";
import { Heading, Notice } from "./sheet";
import { FULL, Strength } from "./strength";
import { Truth } from "./truth";
import { Unlike } from "./unlike";
import { Wishes } from "./wishes";

/** The result beside what it was made from; the addresses of the first look go on being used. */
export function Result({ job, photo }: { job: Job; photo: Photo | undefined }) {
  const words = useWords();
  const [first] = useState({ after: job.result?.url, before: photo?.master_url });
  const [captioned, setCaptioned] = useState(photo);
  const [isUnlike, setIsUnlike] = useState(false);
  const [left, setLeft] = useState<number>();
  const [strength, setStrength] = useState(FULL);
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
          strength={strength}
        />
      )}
      {first.before && <Strength strength={strength} change={setStrength} />}
      {job.result?.truth && <Truth truth={job.result.truth} />}
      {job.result?.hints && <Wishes hints={job.result.hints} />}
      {captioned && <Caption photo={captioned} written={setCaptioned} />}
      {left !== undefined && (
        <Notice tone="good">{words("job.unlike.done", { available: left })}</Notice>
      )}
      <div className="mt-3 flex flex-wrap items-center justify-center gap-3">
        <Save finished={{ job, photo: captioned }} strength={strength} />
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
