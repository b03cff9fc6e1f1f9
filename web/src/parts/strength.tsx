"use client";

import { useWords } from "@/words";

/** All of the restoration. */
export const FULL = 100;
const STEP = 5;

/** How much of the restoration is wanted: what is seen and saved is between the photo and it. */
export function Strength(props: { strength: number; change: (strength: number) => void }) {
  const words = useWords();
  return (
    <label className="mx-auto mt-3 flex max-w-prose items-center gap-4">
      <span className="text-soft">{words("strength.label")}</span>
      <input
        type="range"
        min={0}
        max={FULL}
        step={STEP}
        value={props.strength}
        aria-valuetext={words("strength.value", { percent: props.strength })}
        onChange={(event) => {
          props.change(Number(event.target.value));
        }}
        className="h-11 min-w-0 flex-1 accent-ember"
      />
      <span className="w-14 text-right tabular-nums">
        {words("strength.value", { percent: props.strength })}
      </span>
    </label>
  );
}
