"use client";

/** Before and after, one above the other; a range input moves the line between them. */

import { useRef, useState, type CSSProperties, type PointerEvent } from "react";

import { useWords } from "@/words";

import { Button } from "./button";
import { Icon } from "./icons";
import { FULL } from "./strength";

const ZOOMS = [1, 2, 4] as const;

interface Props {
  before: string | undefined;
  after: string;
  width: number;
  height: number;
  /** How much of the result is seen on its side of the line, in per cent; the rest is the photo. */
  strength: number;
}

export function Compare({ before, after, width, height, strength }: Props) {
  const words = useWords();
  const [at, setAt] = useState(50);
  const [zoom, setZoom] = useState(0);
  const times = ZOOMS[zoom] ?? 1;
  return (
    <div
      className="mx-auto"
      style={{ maxWidth: `calc(62dvh * ${width / height})` }}
    >
      <div className="print relative">
        <div
          className="overflow-auto overscroll-contain"
          style={{ aspectRatio: `${width} / ${height}` }}
          // What can be scrolled must be reachable by keyboard.
          tabIndex={times > 1 ? 0 : undefined}
          role="group"
          aria-label={`${words("job.before")} · ${words("job.after")}`}
        >
          <Pair {...{ before, after, at, times, strength }} slide={setAt} />
        </div>
        <Zoom zoom={zoom} change={setZoom} />
      </div>
      <div className="mt-2 flex items-center gap-4">
        <span className="text-soft">{words("job.before")}</span>
        <input
          type="range"
          min={0}
          max={100}
          value={at}
          aria-label={words("job.slider")}
          onChange={(event) => {
            setAt(Number(event.target.value));
          }}
          className="h-11 min-w-0 flex-1 accent-ember"
        />
        <span className="text-soft">{words("job.after")}</span>
      </div>
    </div>
  );
}

function Zoom({ zoom, change }: { zoom: number; change: (zoom: number) => void }) {
  const words = useWords();
  return (
    <div className="absolute right-2 top-2 flex gap-2" role="group" aria-label={words("job.zoom")}>
      {([-1, 1] as const).map((step) => (
        <Button
          key={step}
          look="quiet"
          className="size-12 px-0"
          aria-label={words(step < 0 ? "job.zoom.out" : "job.zoom.in")}
          disabled={!(zoom + step in ZOOMS)}
          onClick={() => {
            change(zoom + step);
          }}
        >
          <Icon name={step < 0 ? "minus" : "plus"} />
        </Button>
      ))}
    </div>
  );
}

interface PairProps {
  before: string | undefined;
  after: string;
  at: number;
  times: number;
  strength: number;
  slide: (at: number) => void;
}

/** Left of the line is before. Dragging slides; when zoomed, it moves both pictures in step. */
function Pair({ before, after, at, times, strength, slide }: PairProps) {
  const words = useWords();
  const box = useRef<HTMLDivElement>(null);
  const drag = (event: PointerEvent) => {
    if (times > 1 || !event.buttons || !box.current) return;
    const { left, width } = box.current.getBoundingClientRect();
    slide(Math.round(Math.min(100, Math.max(0, (100 * (event.clientX - left)) / width))));
  };
  const style: CSSProperties = { width: `${100 * times}%`, height: `${100 * times}%` };
  return (
    <div
      ref={box}
      className={`relative select-none ${times > 1 ? "" : "cursor-ew-resize touch-pan-y"}`}
      style={style}
      onPointerDown={drag}
      onPointerMove={drag}
    >
      {before && strength < FULL && (
        <img src={before} alt="" draggable={false} className="absolute inset-0 size-full" />
      )}
      <img
        src={after}
        alt={words("job.after")}
        draggable={false}
        className="absolute inset-0 size-full"
        style={{ opacity: strength / FULL }}
      />
      {before && (
        <img
          src={before}
          alt={words("job.before")}
          draggable={false}
          className="absolute inset-0 size-full"
          style={{ clipPath: `inset(0 ${100 - at}% 0 0)` }}
        />
      )}
      <div
        className="pointer-events-none absolute inset-y-0 w-1 -translate-x-1/2 bg-mount shadow-print"
        style={{ left: `${at}%` }}
      />
    </div>
  );
}
