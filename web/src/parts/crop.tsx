"use client";

/** Mark the print: we propose, people decide. */

import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";

import { api, attemptKey, body, Refused, type Schemas } from "@/api/client";
import { signInAddress, useSession } from "@/api/session";
import { usePictures } from "@/photos/pictures";
import { isSame, PLACED, turned, upright, WHOLE, type Quad, type Turns } from "@/photos/quad";
import { sendAll } from "@/photos/sending";
import { useSource, type Source } from "@/photos/source";
import { useWords, type Words } from "@/words";

import { Button, ButtonLink, LeaveLink } from "./button";
import { Cropper } from "./cropper";
import { Icon } from "./icons";
import { Heading, Notice, Skeleton, Trouble } from "./sheet";

const SURE = 0.5;
const NOT_READY_YET_MS = 1_500;
const LOOKS_MAX = 20;

export function Crop({ pictureId, photoId }: { pictureId: string; photoId: string }) {
  const words = useWords();
  const source = useSource(pictureId, photoId);
  const { outline, isLooking } = useOutline(source.photoId);
  const { quad, turns, change, turn } = useMarking(outline, source);
  const [busy, setBusy] = useState<"saving" | "splitting" | null>(null);
  const [problem, setProblem] = useState<Refused>();
  const finish = useFinish(pictureId, source);

  const doing = (what: "saving" | "splitting", work: () => Promise<void>) => {
    setBusy(what);
    setProblem(undefined);
    work().catch((error: unknown) => {
      setBusy(null);
      setProblem(error instanceof Refused ? error : new Refused("unknown"));
    });
  };

  if (source.isGone) {
    return (
      <>
        <Heading title={words("crop.title")} />
        <Notice tone="alert">{source.refusal ?? words("crop.gone")}</Notice>
        <ButtonLink href="/">{words("nav.home")}</ButtonLink>
      </>
    );
  }

  const marked = upright(quad, turns);
  return (
    <>
      <Heading title={words("crop.title")} lead={words("crop.lead")} />
      {source.picture ? (
        <Cropper {...source.picture} quad={quad} turns={turns} change={change} />
      ) : (
        <Skeleton className="mx-auto aspect-[4/3] max-w-2xl" />
      )}
      <p role="status" className="mt-3 min-h-7 text-center text-soft">
        {said(source, outline, isLooking, words)}
      </p>
      <Several
        outline={outline}
        isBusy={busy !== null}
        split={(quads) => {
          doing("splitting", () => finish.split(quads));
        }}
      />
      <Trouble problem={problem} />
      {finish.isKept ? (
        <Kept pictureId={pictureId} />
      ) : (
        <div className="mt-4 flex flex-wrap justify-center gap-2 sm:gap-3">
          <Button
            look="quiet"
            onClick={() => {
              change(WHOLE);
            }}
          >
            {words("crop.whole")}
          </Button>
          {outline && !isSame(turned(asQuad(outline.quad), turns), quad) && (
            <Button
              look="quiet"
              onClick={() => {
                change(turned(asQuad(outline.quad), turns));
              }}
            >
              {words("crop.again")}
            </Button>
          )}
          <Button look="quiet" onClick={turn}>
            <Icon name="turn" />
            {words("crop.turn")}
          </Button>
          <Button
            disabled={busy !== null || !source.picture}
            className="fixed inset-x-4 bottom-20 z-20 min-h-14 text-lg sm:static"
            onClick={() => {
              doing("saving", () => finish.confirm(marked));
            }}
          >
            <Icon name="check" />
            {words(busy === "saving" ? "crop.saving" : "crop.done")}
          </Button>
        </div>
      )}
    </>
  );
}

/** The proposal of the server, as soon as it has the bytes. */
function useOutline(photoId: string) {
  const [outline, setOutline] = useState<Schemas["Outline"]>();
  const [isLooking, setIsLooking] = useState(false);
  useEffect(() => {
    if (!photoId) return;
    let isOver = false;
    const look = async () => {
      setIsLooking(true);
      const found = await proposed(photoId).catch(() => undefined);
      if (isOver) return;
      setOutline(found);
      setIsLooking(false);
    };
    void look();
    return () => {
      isOver = true;
    };
  }, [photoId]);
  return { outline, isLooking };
}

function proposed(photoId: string): Promise<Schemas["Outline"]> {
  return body(
    api.POST("/v1/photos/{photo_id}/outline", { params: { path: { photo_id: photoId } } }),
  );
}

/** Where the corners are; a proposal moves them unless somebody has touched them before. */
function useMarking(outline: Schemas["Outline"] | undefined, source: Source) {
  const confirmed = source.kept?.quad ?? asQuadOrNone(source.photo?.quad);
  const [marking, setMarking] = useState<{ quad: Quad; isTouched: boolean }>();
  const [turns, setTurns] = useState<Turns>(0);
  const proposal = asQuadOrNone(outline?.quad) ?? confirmed ?? PLACED;
  const quad = marking?.isTouched ? marking.quad : turned(proposal, turns);
  return {
    quad,
    turns,
    change: (next: Quad) => {
      setMarking({ quad: next, isTouched: true });
    },
    turn: () => {
      if (marking) setMarking({ ...marking, quad: turned(marking.quad, 1) });
      setTurns(((turns + 1) % 4) as Turns);
    },
  };
}

/** What the last button does: the corners are kept here, and told to the gateway when it is there. */
function useFinish(pictureId: string, source: Source) {
  const router = useRouter();
  const [isKept, setIsKept] = useState(false);

  const confirm = async (quad: Quad) => {
    if (source.kept) {
      await usePictures.getState().confirm(pictureId, quad);
      await useSession.getState().look();
      if (useSession.getState().state !== "in") {
        setIsKept(true);
        return;
      }
      void sendAll();
      router.push(`/choose?picture=${pictureId}`);
      return;
    }
    await body(
      api.PUT("/v1/photos/{photo_id}/quad", {
        params: { path: { photo_id: source.photoId } },
        body: { quad: quad.map(([x, y]) => [x, y]) },
      }),
    );
    router.push(`/choose?photos=${source.photoId}`);
  };

  const split = async (quads: Schemas["Print"]["quad"][]) => {
    for (let looks = 1; ; looks += 1) {
      try {
        const { items } = await body(
          api.POST("/v1/photos/{photo_id}/split", {
            // Of its own each time: a key that was refused is refused again, ready or not.
            params: { path: { photo_id: source.photoId }, header: attemptKey() },
            body: { quads },
          }),
        );
        if (source.kept) await usePictures.getState().remove(pictureId);
        router.push(`/choose?photos=${items.map((one) => one.id).join(",")}`);
        return;
      } catch (error) {
        // It can be split once it is prepared, which takes a second or two.
        const isEarly = error instanceof Refused && error.code === "not-ready";
        if (!isEarly || looks === LOOKS_MAX) throw error;
        await new Promise((go) => setTimeout(go, NOT_READY_YET_MS));
      }
    }
  };

  return { confirm, split, isKept };
}

function Several(props: {
  outline: Schemas["Outline"] | undefined;
  isBusy: boolean;
  split: (quads: Schemas["Print"]["quad"][]) => void;
}) {
  const { outline, isBusy, split } = props;
  const words = useWords();
  const count = outline?.prints.length ?? 0;
  if (!outline || count < 2) return null;
  return (
    <Notice>
      <p>{words("crop.several", { count })}</p>
      <Button
        className="mt-3"
        disabled={isBusy}
        onClick={() => {
          split(outline.prints.map((one) => one.quad));
        }}
      >
        {words("crop.split", { count })}
      </Button>
    </Notice>
  );
}

/** Confirmed: waiting for an account, or for a connection. */
function Kept({ pictureId }: { pictureId: string }) {
  const words = useWords();
  const isOut = useSession((one) => one.state === "out");
  if (isOut) {
    return (
      <Notice>
        <p className="text-lg">{words("crop.sign_in")}</p>
        <p className="mb-4 font-normal">{words("sign_in.why")}</p>
        <LeaveLink href={signInAddress(`/choose?picture=${pictureId}`)}>{words("sign_in")}</LeaveLink>
      </Notice>
    );
  }
  return (
    <Notice tone="good">
      <p className="mb-3">{words("crop.kept")}</p>
      <ButtonLink href="/" look="quiet">
        {words("job.another")}
      </ButtonLink>
    </Notice>
  );
}

function said(
  source: Source,
  outline: Schemas["Outline"] | undefined,
  isLooking: boolean,
  words: Words,
): string {
  if (!source.picture && source.isUnseen) return words("crop.no_preview");
  if (isLooking) return words("crop.looking");
  if (!outline) return "";
  return words(outline.confidence >= SURE ? "crop.found" : "crop.unsure");
}

function asQuad(points: readonly (readonly number[])[]): Quad {
  return points as unknown as Quad;
}

function asQuadOrNone(points: readonly (readonly number[])[] | null | undefined): Quad | null {
  return points ? asQuad(points) : null;
}
