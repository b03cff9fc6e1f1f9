"use client";

import dynamic from "next/dynamic";
import { useRouter } from "next/navigation";
import { useState } from "react";

import { Button, ButtonLink } from "@/parts/button";
import { Example } from "@/parts/example";
import { FileButton } from "@/parts/file-button";
import { Icon } from "@/parts/icons";
import { Rows } from "@/parts/rows";
import { Heading, Notice } from "@/parts/sheet";
import { WhatWasBought } from "@/parts/bought";
import { useSession } from "@/api/session";
import { useAdding, type Refusals } from "@/photos/adding";
import { useDropped } from "@/photos/dropping";
import { ACCEPTED, usePictures } from "@/photos/pictures";
import { useWords } from "@/words";

// Needed after a press only: it brings the dialogs with it.
const Arrivals = dynamic(() => import("@/parts/arrivals").then((module) => module.Arrivals));

export default function Home() {
  const words = useWords();
  const { add, refusals } = useAdding();
  const isOver = useDropped(add);
  const hasRows = usePictures(({ kept }) => Boolean(kept?.length));
  return (
    <>
      <WhatWasBought />
      <div className="grid grid-cols-1 items-center gap-8 lg:grid-cols-[1.15fr_1fr] lg:gap-14">
        <div>
          <Heading title={words("home.title")} lead={words("home.lead")} />
          <FileButton
            camera
            accept="image/*"
            onFiles={add}
            className="min-h-16 w-full text-xl sm:w-auto sm:px-10"
          >
            <Icon name="camera" className="size-7" />
            {words("home.take")}
          </FileButton>
          <div className="mt-3 flex flex-col gap-3 sm:flex-row sm:flex-wrap">
            <FileButton look="quiet" accept={ACCEPTED} onFiles={add}>
              <Icon name="photos" />
              {words("home.choose")}
            </FileButton>
            <LiveCamera />
            <PhoneAsCamera />
          </div>
          <p className="mt-5 text-soft">{words("home.tip")}</p>
          <p className="mt-1 hidden text-soft sm:block">{words("home.drop")}</p>
          <Refused refusals={refusals} />
        </div>
        <Example className={hasRows ? "hidden lg:block" : ""} />
      </div>
      <Rows />
      {isOver && (
        <div className="pointer-events-none fixed inset-3 z-40 grid place-content-center rounded-sheet border-4 border-dashed border-ember bg-glow font-serif text-3xl">
          {words("home.drop.now")}
        </div>
      )}
    </>
  );
}

function LiveCamera() {
  const words = useWords();
  return (
    <ButtonLink href="/camera" look="quiet">
      <Icon name="camera" />
      {words("home.live")}
    </ButtonLink>
  );
}

/** On a wide screen of somebody signed in: the phone is the better camera. */
function PhoneAsCamera() {
  const words = useWords();
  const router = useRouter();
  const isIn = useSession((session) => session.state === "in");
  const [isOpen, setIsOpen] = useState(false);
  if (!isIn) return null;
  return (
    <>
      <div className="hidden sm:block">
        <Button
          look="quiet"
          onClick={() => {
            setIsOpen(true);
          }}
        >
          <Icon name="phone" />
          {words("home.phone")}
        </Button>
      </div>
      {isOpen && (
        <Arrivals
          close={(photoIds) => {
            setIsOpen(false);
            const [only] = photoIds;
            if (only) router.push(photoIds.length === 1 ? `/crop?photo=${only}` : "/album");
          }}
        />
      )}
    </>
  );
}

function Refused({ refusals }: { refusals: Refusals }) {
  const words = useWords();
  const { notPhotos, tooLarge, isFull } = refusals;
  return (
    <>
      {notPhotos.length > 0 && (
        <Notice tone="alert">{words("home.not_photos", { names: notPhotos.join(", ") })}</Notice>
      )}
      {tooLarge.length > 0 && (
        <Notice tone="alert">{words("home.too_large", { names: tooLarge.join(", ") })}</Notice>
      )}
      {isFull && <Notice tone="alert">{words("home.full")}</Notice>}
    </>
  );
}

