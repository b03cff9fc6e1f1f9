"use client";

import type { Job } from "@/api/client";
import { useWords } from "@/words";

type Hints = NonNullable<NonNullable<Job["result"]>["hints"]>;

/** What became of the wishes in a note: nobody should have to look for a green coat. */
export function Wishes({ hints }: { hints: Hints }) {
  const words = useWords();
  return (
    <>
      {(["applied", "ignored"] as const).map(
        (outcome) =>
          hints[outcome].length > 0 && (
            <p key={outcome} className="mt-2 text-center text-soft">
              {words(`wishes.${outcome}`, { wishes: hints[outcome].join("; ") })}
            </p>
          ),
      )}
    </>
  );
}
