"use client";

import { useDeleting } from "@/photos/deleting";
import { useWords } from "@/words";

import { Button } from "./button";
import { Trouble } from "./sheet";

/** What was just deleted can be taken back, on whatever screen. */
export function Deleted() {
  const words = useWords();
  const { waiting, problem, undo } = useDeleting();
  return (
    <div
      role="status"
      className="pointer-events-none fixed inset-x-0 bottom-20 z-30 mx-auto max-w-lg px-4 sm:bottom-6"
    >
      <Trouble problem={problem} />
      {waiting.length > 0 && (
        <div className="pointer-events-auto flex items-center justify-between gap-4 rounded-2xl bg-ink py-2 pr-3 pl-5 font-medium text-paper shadow-print">
          {words("album.deleted", { count: waiting.length })}
          <Button look="quiet" onClick={undo}>
            {words("album.undo")}
          </Button>
        </div>
      )}
    </div>
  );
}
