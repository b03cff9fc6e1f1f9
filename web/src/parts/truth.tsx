"use client";

import type { Job } from "@/api/client";
import { useWords } from "@/words";

type Judged = NonNullable<NonNullable<Job["result"]>["truth"]>;

/** Whether they are still themselves, as far as a comparison with the photo can tell. */
export function Truth({ truth }: { truth: Judged }) {
  const words = useWords();
  if (truth.verdict === "green") {
    return (
      <p className="mt-3 text-center text-soft">
        <span aria-hidden className="mr-2 text-good">
          ●
        </span>
        {words("truth.green")}
      </p>
    );
  }
  return (
    <div className="mx-auto mt-3 max-w-prose">
      <p>
        <span aria-hidden className="mr-2 text-ember">
          ●
        </span>
        {words("truth.amber")}
      </p>
      <ul className="ml-6 list-disc text-soft">
        {truth.reasons.map((reason) => (
          <li key={reason}>{words(`truth.${reason}`)}</li>
        ))}
      </ul>
    </div>
  );
}
