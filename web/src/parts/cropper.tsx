"use client";

/** The four corners and edges of a print, moved by finger, mouse, keyboard or button. */

import { useId, useRef, useState, type KeyboardEvent, type PointerEvent, type RefObject } from "react";

import { HANDLES, moved, place, type Handle, type Point, type Quad, type Turns } from "@/photos/quad";
import { useWords, type Words } from "@/words";

import { Button } from "./button";
import { Icon } from "./icons";
import { Turned, turnedSize, type Size } from "./turned";

const STEP_PX = 1;
const LONG_STEP_PX = 10;
const LOUPE_PX = 132;
const LOUPE_ZOOM = 3;

const STEPS: Record<string, Point> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

interface Props {
  src: string;
  size: Size;
  /** As it lies in the turned picture. */
  quad: Quad;
  turns: Turns;
  change: (quad: Quad) => void;
}

export function Cropper({ src, size, quad, turns, change }: Props) {
  const words = useWords();
  const box = useRef<HTMLDivElement>(null);
  const [held, setHeld] = useState<Handle | null>(null);
  const [said, setSaid] = useState("");
  const shown = turnedSize(size, turns);

  /** Move a handle by so many pixels of the screen. */
  const move = (handle: Handle, dx: number, dy: number) => {
    const { width, height } = box.current?.getBoundingClientRect() ?? { width: 1, height: 1 };
    const next = moved(quad, handle, dx / width, dy / height);
    change(next);
    return next;
  };
  const step = (handle: Handle, [x, y]: Point, pixels: number) => {
    setSaid(described(handle, move(handle, x * pixels, y * pixels), words));
  };

  return (
    <div>
      <div
        ref={box}
        role="group"
        aria-label={words("crop.picture")}
        className="relative mx-auto touch-none overflow-visible shadow-print"
        style={{
          aspectRatio: `${shown.width} / ${shown.height}`,
          maxWidth: `calc(54dvh * ${shown.width / shown.height})`,
        }}
      >
        <div className="absolute inset-0 overflow-hidden rounded-print bg-silver">
          <Turned src={src} size={size} turns={turns} />
          <Marked quad={quad} />
        </div>
        {HANDLES.map((handle) => (
          <Grip
            key={`${handle.kind}${handle.index}`}
            handle={handle}
            quad={quad}
            hold={setHeld}
            move={move}
            step={step}
          />
        ))}
        {held && <Loupe at={place(quad, held)} box={box} src={src} size={size} turns={turns} quad={quad} />}
      </div>
      <p className="sr-only" role="status">
        {said}
      </p>
      <Nudge step={step} />
    </div>
  );
}

/** The print is clear, the rest is dimmed. */
function Marked({ quad }: { quad: Quad }) {
  const corners = quad.map(([x, y]) => `${100 * x},${100 * y}`).join(" ");
  return (
    <svg
      viewBox="0 0 100 100"
      preserveAspectRatio="none"
      className="absolute inset-0 size-full"
      aria-hidden="true"
    >
      <path
        d={`M0 0H100V100H0Z M${corners.replaceAll(" ", "L")}Z`}
        fillRule="evenodd"
        className="fill-veil"
      />
      <polygon
        points={corners}
        vectorEffect="non-scaling-stroke"
        className="fill-none stroke-mount stroke-[3px]"
      />
    </svg>
  );
}

interface GripProps {
  handle: Handle;
  quad: Quad;
  hold: (handle: Handle | null) => void;
  move: (handle: Handle, dx: number, dy: number) => Quad;
  step: (handle: Handle, direction: Point, pixels: number) => void;
}

function Grip({ handle, quad, hold, move, step }: GripProps) {
  const words = useWords();
  const from = useRef<Point | null>(null);
  const [x, y] = place(quad, handle);

  const grab = (event: PointerEvent<HTMLButtonElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    from.current = [event.clientX, event.clientY];
    hold(handle);
  };
  const drag = (event: PointerEvent<HTMLButtonElement>) => {
    if (!from.current) return;
    move(handle, event.clientX - from.current[0], event.clientY - from.current[1]);
    from.current = [event.clientX, event.clientY];
  };
  const drop = () => {
    from.current = null;
    hold(null);
  };
  const press = (event: KeyboardEvent) => {
    const direction = STEPS[event.key];
    if (!direction) return;
    event.preventDefault();
    step(handle, direction, event.shiftKey ? LONG_STEP_PX : STEP_PX);
  };

  return (
    <button
      type="button"
      aria-label={described(handle, quad, words)}
      className="group absolute grid size-11 -translate-x-1/2 -translate-y-1/2 cursor-move touch-none place-content-center rounded-full"
      style={{ left: `${100 * x}%`, top: `${100 * y}%` }}
      onPointerDown={grab}
      onPointerMove={drag}
      onPointerUp={drop}
      onPointerCancel={drop}
      onKeyDown={press}
    >
      <span
        className={`block rounded-full border-[3px] border-mount bg-ember shadow-print transition-transform duration-(--pace) group-hover:scale-125 ${
          handle.kind === "corner" ? "size-6" : "size-4 bg-mount"
        }`}
      />
    </button>
  );
}

interface LoupeProps {
  at: Point;
  box: RefObject<HTMLDivElement | null>;
  src: string;
  size: Size;
  turns: Turns;
  quad: Quad;
}

/** What is under the finger, larger, where the finger does not hide it. */
function Loupe({ at, box, src, size, turns, quad }: LoupeProps) {
  const { width, height } = box.current?.getBoundingClientRect() ?? { width: 1, height: 1 };
  const isLeft = at[0] < 0.5 && at[1] < 0.5;
  return (
    <div
      aria-hidden="true"
      className={`pointer-events-none absolute top-2 z-10 overflow-hidden rounded-full border-4 border-mount bg-silver shadow-print ${isLeft ? "right-2" : "left-2"}`}
      style={{ width: LOUPE_PX, height: LOUPE_PX }}
    >
      <div
        className="absolute"
        style={{
          width: LOUPE_ZOOM * width,
          height: LOUPE_ZOOM * height,
          left: LOUPE_PX / 2 - 4 - at[0] * LOUPE_ZOOM * width,
          top: LOUPE_PX / 2 - 4 - at[1] * LOUPE_ZOOM * height,
        }}
      >
        <Turned src={src} size={size} turns={turns} />
        <Marked quad={quad} />
      </div>
    </div>
  );
}

/** Every drag without a drag: choose a corner or an edge, then press. */
function Nudge({ step }: { step: (handle: Handle, direction: Point, pixels: number) => void }) {
  const words = useWords();
  const id = useId();
  const [chosen, setChosen] = useState(0);
  const handle = HANDLES[chosen];
  const press = (direction: Point) => {
    if (handle) step(handle, direction, LONG_STEP_PX);
  };
  return (
    <details className="mx-auto mt-4 max-w-xl">
      <summary className="min-h-11 content-center rounded-xl font-semibold text-ember">
        {words("crop.nudge")}
      </summary>
      <div className="mt-2 flex flex-wrap items-center gap-3">
        <label htmlFor={id} className="sr-only">
          {words("crop.nudge.which")}
        </label>
        <select
          id={id}
          value={chosen}
          onChange={(event) => {
            setChosen(Number(event.target.value));
          }}
          className="min-h-12 flex-1 rounded-xl border-2 border-edge bg-sheet px-3"
        >
          {HANDLES.map(({ kind, index }, n) => (
            <option key={`${kind}${index}`} value={n}>
              {words(`crop.${kind}.${index}`)}
            </option>
          ))}
        </select>
        <div className="flex gap-2">
          {(["left", "right", "up", "down"] as const).map((way) => (
            <Button
              key={way}
              look="quiet"
              className="size-12 px-0"
              aria-label={words(`crop.${way}`)}
              onClick={() => {
                press(STEPS[`Arrow${way.charAt(0).toUpperCase()}${way.slice(1)}`] ?? [0, 0]);
              }}
            >
              <Icon name={way} />
            </Button>
          ))}
        </div>
      </div>
    </details>
  );
}

function described(handle: Handle, quad: Quad, words: Words): string {
  const [x, y] = place(quad, handle);
  return words("crop.handle", {
    name: words(`crop.${handle.kind}.${handle.index}`),
    x: Math.round(100 * x),
    y: Math.round(100 * y),
  });
}
