"use client";

/** An address that shows before and after to whoever has it, until a day, or until it is ended. */

import { useCallback, useId, useState } from "react";

import { api, body, Refused, type Schemas } from "@/api/client";
import { useRemote } from "@/api/remote";
import { useWords } from "@/words";

import { Button } from "./button";
import { Dialog } from "./dialog";
import { Icon } from "./icons";
import { usePress } from "./press";
import { Notice, Skeleton, Trouble } from "./sheet";

type Shared = Schemas["Share"];

const DAYS = [7, 30, 90] as const;
const DAYS_AT_FIRST = 30;

export function Share({ jobId }: { jobId: string }) {
  const words = useWords();
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <Button
        look="quiet"
        onClick={() => {
          setIsOpen(true);
        }}
      >
        <Icon name="share" />
        {words("share")}
      </Button>
      {isOpen && (
        <Dialog
          title={words("share.title")}
          close={() => {
            setIsOpen(false);
          }}
        >
          <Sharing jobId={jobId} />
        </Dialog>
      )}
    </>
  );
}

function Sharing({ jobId }: { jobId: string }) {
  const load = useCallback(() => find(jobId), [jobId]);
  const { data, problem, reload } = useRemote(load);
  // What the last press gave; `null`: it was ended.
  const [latest, setLatest] = useState<Shared | null>();
  const shared = latest === undefined ? data : latest;
  if (shared === undefined) {
    return problem ? (
      <Trouble problem={problem} retry={reload} />
    ) : (
      <Skeleton className="h-40 w-full" />
    );
  }
  return shared ? (
    <Address
      shared={shared}
      ended={() => {
        setLatest(null);
      }}
    />
  ) : (
    <Opening jobId={jobId} hasEnded={latest === null} opened={setLatest} />
  );
}

/** The address there is now, or null. */
async function find(jobId: string): Promise<Shared | null> {
  try {
    const path = { job_id: jobId };
    return await body(api.GET("/v1/jobs/{job_id}/share", { params: { path } }));
  } catch (error) {
    if (error instanceof Refused && error.code === "not-found") return null;
    throw error;
  }
}

function Opening(props: { jobId: string; hasEnded: boolean; opened: (shared: Shared) => void }) {
  const { jobId, hasEnded, opened } = props;
  const words = useWords();
  const [days, setDays] = useState<number>(DAYS_AT_FIRST);
  const { press, isBusy, problem } = usePress(async () => {
    const asked = { params: { path: { job_id: jobId } }, body: { days } };
    opened(await body(api.PUT("/v1/jobs/{job_id}/share", asked)));
  });
  return (
    <>
      {hasEnded && <Notice tone="good">{words("share.ended")}</Notice>}
      <p className="text-lg">{words("share.about")}</p>
      <fieldset className="my-4">
        <legend className="font-semibold">{words("share.days.which")}</legend>
        <div className="flex flex-wrap gap-x-6">
          {DAYS.map((one) => (
            <label key={one} className="flex min-h-12 items-center gap-3">
              <input
                type="radio"
                name="days"
                checked={one === days}
                onChange={() => {
                  setDays(one);
                }}
                className="size-5 accent-ember"
              />
              {words("share.days", { count: one })}
            </label>
          ))}
        </div>
      </fieldset>
      <Trouble problem={problem} />
      <Button className="w-full" disabled={isBusy} onClick={press}>
        {words("share.open")}
      </Button>
    </>
  );
}

function Address({ shared, ended }: { shared: Shared; ended: () => void }) {
  const words = useWords();
  const id = useId();
  const { press, isBusy, problem } = usePress(async () => {
    const path = { job_id: shared.job_id };
    await body(api.DELETE("/v1/jobs/{job_id}/share", { params: { path } }));
    ended();
  });
  return (
    <>
      <label htmlFor={id} className="font-semibold">
        {words("share.address")}
      </label>
      <input
        id={id}
        readOnly
        value={shared.address}
        onFocus={(event) => {
          event.target.select();
        }}
        className="mt-2 min-h-12 w-full rounded-xl border-2 border-edge bg-paper px-3"
      />
      <p className="mt-2 mb-4 text-soft">
        {words("share.until", { date: words.date(shared.expires_at) })}
      </p>
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <Passing address={shared.address} />
        <Button look="quiet" disabled={isBusy} onClick={press}>
          {words("share.end")}
        </Button>
      </div>
      <Trouble problem={problem} />
    </>
  );
}

/** By what the device has for it; else into the clipboard, which only secure addresses reach. */
function Passing({ address }: { address: string }) {
  const words = useWords();
  const [isCopied, setIsCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(address);
    setIsCopied(true);
  };
  const pass = () => {
    // Who puts the sheet of the device away has not been refused anything.
    navigator.share({ title: words("share.subject"), url: address }).catch(() => undefined);
  };
  if ("share" in navigator) {
    return (
      <Button onClick={pass}>
        <Icon name="share" />
        {words("share.pass")}
      </Button>
    );
  }
  if (!("clipboard" in navigator)) return null;
  return (
    <Button onClick={() => void copy()}>
      <span role="status">{words(isCopied ? "share.copied" : "share.copy")}</span>
    </Button>
  );
}
