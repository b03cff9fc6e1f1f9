"use client";

import { useState } from "react";

import { api, body, Refused } from "@/api/client";
import { useWords } from "@/words";

import { Button } from "./button";
import { Dialog } from "./dialog";
import { Trouble } from "./sheet";

const REASONS = ["likeness", "colours", "damage", "other"] as const;
type Reason = (typeof REASONS)[number];

/** "Doesn't look like them": one press and a reason, and the credits come back. */
export function Unlike(props: {
  jobId: string;
  close: () => void;
  done: (available: number) => void;
}) {
  const { jobId, close, done } = props;
  const words = useWords();
  const [reason, setReason] = useState<Reason>("likeness");
  const [problem, setProblem] = useState<Refused>();
  const [isBusy, setIsBusy] = useState(false);

  const send = () => {
    setIsBusy(true);
    body(
      api.POST("/v1/jobs/{job_id}/refund", {
        params: { path: { job_id: jobId } },
        body: { reason },
      }),
    ).then(
      ({ available }) => {
        done(available);
      },
      (error: unknown) => {
        setIsBusy(false);
        setProblem(error instanceof Refused ? error : new Refused("unknown"));
      },
    );
  };

  return (
    <Dialog title={words("job.unlike.title")} close={close}>
      <p className="mb-4 text-soft">{words("job.unlike.about")}</p>
      <fieldset>
        <legend className="sr-only">{words("job.unlike.title")}</legend>
        {REASONS.map((one) => (
          <label key={one} className="flex min-h-12 items-center gap-4">
            <input
              type="radio"
              name="reason"
              checked={one === reason}
              onChange={() => {
                setReason(one);
              }}
              className="size-5 accent-ember"
            />
            {words(`job.unlike.${one}`)}
          </label>
        ))}
      </fieldset>
      <Trouble problem={problem} />
      <Button className="mt-4 w-full" disabled={isBusy} onClick={send}>
        {words("job.unlike.send")}
      </Button>
    </Dialog>
  );
}
