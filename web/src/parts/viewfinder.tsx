"use client";

/** The camera of this device, live; and the file input that takes the picture where it fails. */

import { useEffect, useRef, useState, type RefObject } from "react";

import { useAdding } from "@/photos/adding";
import { useWords } from "@/words";

import { Button, ButtonLink } from "./button";
import { FileButton } from "./file-button";
import { Icon } from "./icons";
import { Heading, Notice } from "./sheet";

const QUALITY = 0.95;
const WIDEST_PX = 4096;

type State = "starting" | "live" | "denied" | "absent";

export function Viewfinder() {
  const words = useWords();
  const { add } = useAdding();
  const { video, state } = useCamera();
  const [isTaking, setIsTaking] = useState(false);

  const shoot = async () => {
    if (!video.current) return;
    setIsTaking(true);
    try {
      add([await takenFrom(video.current)]);
    } finally {
      setIsTaking(false);
    }
  };

  return (
    <>
      <Heading title={words("camera.title")} lead={words("camera.hint")} />
      {state === "denied" && <Notice tone="alert">{words("camera.denied")}</Notice>}
      {state === "absent" && <Notice tone="alert">{words("camera.absent")}</Notice>}
      <div
        hidden={state === "denied" || state === "absent"}
        className="relative mx-auto max-w-2xl overflow-hidden rounded-sheet bg-silver shadow-print"
      >
        <video
          ref={video}
          playsInline
          muted
          autoPlay
          aria-label={words("camera.title")}
          className="block max-h-[62dvh] min-h-60 w-full object-contain"
        />
        <div className="pointer-events-none absolute inset-[7%] rounded-lg border-[3px] border-dashed border-mount opacity-80" />
      </div>
      <div className="mt-5 flex flex-wrap items-center justify-center gap-3">
        {(state === "live" || state === "starting") && (
          <Button
            disabled={state !== "live" || isTaking}
            className="min-h-16 px-10 text-xl"
            onClick={() => void shoot()}
          >
            <Icon name="camera" />
            {words(state === "live" ? "camera.shoot" : "camera.starting")}
          </Button>
        )}
        <FileButton look="quiet" camera accept="image/*" onFiles={add}>
          <Icon name="photos" />
          {words("home.take")}
        </FileButton>
        <ButtonLink href="/" look="plain">
          {words("camera.back")}
        </ButtonLink>
      </div>
      <p className="mt-3 text-center text-soft">{words("home.take.hint")}</p>
    </>
  );
}

function useCamera(): { video: RefObject<HTMLVideoElement | null>; state: State } {
  const video = useRef<HTMLVideoElement>(null);
  const [state, setState] = useState<State>("starting");
  useEffect(() => {
    let stream: MediaStream | undefined;
    let isOver = false;
    const start = async () => {
      stream = await open();
      if (isOver) {
        stop(stream);
        return;
      }
      if (video.current) video.current.srcObject = stream;
      setState("live");
    };
    start().catch((error: unknown) => {
      const isDenied = error instanceof DOMException && error.name === "NotAllowedError";
      setState(isDenied ? "denied" : "absent");
    });
    return () => {
      isOver = true;
      if (stream) stop(stream);
    };
  }, []);
  return { video, state };
}

async function open(): Promise<MediaStream> {
  // Not there on addresses that are not secure.
  if (!("mediaDevices" in navigator)) throw new Error("no camera");
  return navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: "environment", width: { ideal: WIDEST_PX } },
  });
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

async function takenFrom(video: HTMLVideoElement): Promise<File> {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  const moment = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return new File([blob], `photo-${moment}.jpg`, { type: blob.type });
}
