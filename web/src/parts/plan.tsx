"use client";

import dynamic from "next/dynamic";
import { useCallback, useState } from "react";

import { api, body, Refused, type Schemas } from "@/api/client";
import { useRemote } from "@/api/remote";
import { useWords } from "@/words";

import { Button } from "./button";
import { Notice, Sheet, Skeleton, Trouble } from "./sheet";

const Dialog = dynamic(() => import("./dialog").then((module) => module.Dialog));

type Purpose = NonNullable<Schemas["PortalRequest"]["purpose"]>;

function load() {
  return body(api.GET("/v1/subscription"));
}

export function Plan() {
  const words = useWords();
  const { data, problem, reload } = useRemote(load, ["billing"]);
  const [isCancelling, setIsCancelling] = useState(false);
  const portal = usePortal();
  const isPaid = data?.source === "paid";
  return (
    <Sheet>
      <h2 className="text-xl text-soft">{words("account.plan")}</h2>
      {data ? (
        <>
          <p className="font-serif text-4xl">{words(`account.plan.${data.plan}`)}</p>
          {data.payment_due && <Notice tone="alert">{words("account.payment_due")}</Notice>}
          {data.ends_at ? (
            <p className="text-soft">{words("account.ends", { date: words.date(data.ends_at) })}</p>
          ) : (
            data.renews_at && (
              <p className="text-soft">
                {words("account.renews", { date: words.date(data.renews_at) })}
              </p>
            )
          )}
        </>
      ) : problem ? (
        <Trouble problem={problem} retry={reload} />
      ) : (
        <Skeleton className="mt-2 h-16 w-48" />
      )}
      <Trouble problem={portal.problem} />
      {isPaid && (
        <div className="mt-4 flex flex-wrap gap-x-4">
          <Button
            look="quiet"
            onClick={() => {
              portal.open("manage");
            }}
          >
            {words("account.manage")}
          </Button>
          {!data.ends_at && (
            <Button
              look="plain"
              onClick={() => {
                setIsCancelling(true);
              }}
            >
              {words("account.cancel")}
            </Button>
          )}
        </div>
      )}
      {isCancelling && (
        <Cancelling
          goOn={() => {
            portal.open("cancel");
          }}
          close={() => {
            setIsCancelling(false);
          }}
        />
      )}
    </Sheet>
  );
}

/** Stripe's page for what has to do with the plan. */
function usePortal() {
  const [problem, setProblem] = useState<Refused>();
  const open = (purpose: Purpose) => {
    setProblem(undefined);
    body(api.POST("/v1/portal", { body: { purpose } })).then(
      ({ url }) => {
        location.assign(url);
      },
      (error: unknown) => {
        setProblem(error instanceof Refused ? error : new Refused("unknown"));
      },
    );
  };
  return { open, problem };
}

/** The number of credits that would be lost is told before the press that cancels. */
function Cancelling({ goOn, close }: { goOn: () => void; close: () => void }) {
  const words = useWords();
  const preview = useCallback(() => body(api.GET("/v1/subscription/cancellation")), []);
  const { data, problem } = useRemote(preview, ["credits"]);
  return (
    <Dialog title={words("account.cancel.title")} close={close}>
      <Trouble problem={problem} />
      {data ? (
        <>
          <p className="text-lg">
            {words("account.cancel.about", { date: words.date(data.ends_at) })}
          </p>
          <Notice tone={data.credits_lost ? "alert" : "calm"}>
            {data.credits_lost
              ? words("account.cancel.lost", { count: data.credits_lost })
              : words("account.cancel.nothing")}
          </Notice>
        </>
      ) : (
        !problem && <Skeleton className="h-24 w-full" />
      )}
      <div className="mt-4 grid grid-cols-1 gap-3 sm:grid-cols-2">
        <Button onClick={close}>{words("account.keep")}</Button>
        <Button look="quiet" disabled={!data} onClick={goOn}>
          {words("account.cancel.do")}
        </Button>
      </div>
    </Dialog>
  );
}
