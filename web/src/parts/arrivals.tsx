"use client";

/** The hand-off: a code for the phone, and its photos as they arrive. */

import { useCallback, useEffect, useState } from "react";

import { api, attemptKey, body, Refused, type Photo, type Schemas } from "@/api/client";
import { useRemote } from "@/api/remote";
import { useWords } from "@/words";

import { Button } from "./button";
import { Dialog } from "./dialog";
import { Skeleton, Trouble } from "./sheet";

const LOOK_EVERY_MS = 3_000;

export function Arrivals({ close }: { close: (photoIds: string[]) => void }) {
  const words = useWords();
  const { begun, problem } = useHandoff();
  const [ids, setIds] = useState<string[]>([]);
  const end = () => {
    close(ids);
  };
  return (
    <Dialog title={words("handoff.title")} close={end}>
      <p className="mb-4 text-soft">{words("handoff.about")}</p>
      <Trouble problem={problem} />
      {begun ? (
        <>
          <img
            src={`data:image/svg+xml;utf8,${encodeURIComponent(begun.qr_svg)}`}
            alt={words("handoff.qr")}
            className="mx-auto w-64 rounded-xl bg-mount p-3"
            width="256"
            height="256"
          />
          <p className="mt-3 text-center text-soft">
            {words("handoff.until", {
              time: words.date(begun.handoff.expires_at, { timeStyle: "short" }),
            })}
          </p>
          <Arrived handoffId={begun.handoff.id} tell={setIds} />
        </>
      ) : (
        !problem && <Skeleton className="mx-auto size-64" />
      )}
      <Button className="mt-6 w-full" onClick={end}>
        {words("handoff.close")}
      </Button>
    </Dialog>
  );
}

function useHandoff() {
  const [begun, setBegun] = useState<Schemas["HandoffBegun"]>();
  const [problem, setProblem] = useState<Refused>();
  useEffect(() => {
    let id: string | undefined;
    let isOver = false;
    const end = () => {
      if (id) void api.DELETE("/v1/handoffs/{handoff_id}", { params: { path: { handoff_id: id } } });
    };
    body(api.POST("/v1/handoffs", { params: { header: attemptKey() } })).then(
      (made) => {
        id = made.handoff.id;
        if (isOver) end();
        else setBegun(made);
      },
      (error: unknown) => {
        setProblem(error instanceof Refused ? error : new Refused("unknown"));
      },
    );
    return () => {
      isOver = true;
      end();
    };
  }, []);
  return { begun, problem };
}

function Arrived(props: { handoffId: string; tell: (ids: string[]) => void }) {
  const { handoffId, tell } = props;
  const words = useWords();
  const load = useCallback(() => arrivedBy(handoffId), [handoffId]);
  const { data } = useRemote(load, ["gateway", "uploads"], LOOK_EVERY_MS);
  const ids = data?.photos.map((photo) => photo.id).join(" ") ?? "";
  useEffect(() => {
    tell(ids ? ids.split(" ") : []);
  }, [ids, tell]);
  if (!data) return null;
  const { handoff, photos } = data;
  return (
    <div role="status" className="mt-4">
      <p className="text-center font-semibold">
        {photos.length
          ? words("handoff.arrived", { count: photos.length })
          : words(handoff.opened_at ? "handoff.opened" : "handoff.waiting")}
      </p>
      <ul className="mt-3 flex flex-wrap justify-center gap-3">
        {photos.map((photo, n) => (
          <li key={photo.id} className="print size-24 overflow-hidden">
            {photo.thumbnail_url ? (
              <img
                src={photo.thumbnail_url}
                alt={words("handoff.photo", { number: n + 1 })}
                className="size-full object-cover"
              />
            ) : (
              <Skeleton className="size-full" />
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

async function arrivedBy(
  handoffId: string,
): Promise<{ handoff: Schemas["Handoff"]; photos: Photo[] }> {
  const handoff = await body(
    api.GET("/v1/handoffs/{handoff_id}", { params: { path: { handoff_id: handoffId } } }),
  );
  const there = handoff.photos.filter(({ state }) => state === "accepted" || state === "ready");
  const photos = await Promise.all(
    there.map(({ id }) => body(api.GET("/v1/photos/{photo_id}", { params: { path: { photo_id: id } } }))),
  );
  return { handoff, photos };
}
