"use client";

/** A picture that is on its way from this device; when it has arrived, its photo takes over. */

import { useRouter } from "next/navigation";
import { useEffect } from "react";

import { usePictures } from "@/photos/pictures";
import { useWords } from "@/words";

import { ButtonLink } from "./button";
import { Rows } from "./rows";
import { Heading, Skeleton } from "./sheet";

export function Arriving({ pictureId }: { pictureId: string }) {
  const words = useWords();
  const router = useRouter();
  const kept = usePictures((pictures) => pictures.kept);
  const photoId = usePictures(({ arrived }) => arrived[pictureId]);
  const isGone = kept !== undefined && !photoId && !kept.some((one) => one.id === pictureId);

  useEffect(() => {
    if (photoId) router.replace(`/choose?photos=${photoId}`);
  }, [photoId, router]);

  if (isGone) {
    return (
      <>
        <Heading title={words("choose.title")} lead={words("choose.gone")} />
        <ButtonLink href="/album">{words("nav.album")}</ButtonLink>
      </>
    );
  }
  return (
    <>
      <Heading title={words("choose.title")} lead={words("choose.arriving")} />
      <Skeleton className="h-72 w-full max-w-xl" />
      <Rows />
    </>
  );
}
