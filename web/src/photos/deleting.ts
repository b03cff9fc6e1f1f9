/**
 * Deleting with second thoughts: what is deleted goes from sight at once, and is told to the
 * gateway when it was not taken back for a while. Whoever closes the tab meanwhile loses nothing.
 */

import { create } from "zustand";

import { api, body, Refused } from "@/api/client";

export const SECOND_THOUGHTS_MS = 10_000;

interface Deleting {
  /** Photos that can be taken back. */
  waiting: readonly string[];
  /** Photos that the gateway was told to delete. */
  told: ReadonlySet<string>;
  problem: Refused | undefined;
  begin: (photoIds: readonly string[]) => void;
  undo: () => void;
}

let patience: ReturnType<typeof setTimeout> | undefined;

export const useDeleting = create<Deleting>((set, get) => ({
  waiting: [],
  told: new Set(),
  problem: undefined,

  begin: (photoIds) => {
    // There is one thing to take back at a time: what was deleted before is meant by now.
    clearTimeout(patience);
    void tell(get().waiting);
    set({ waiting: [...photoIds], problem: undefined });
    patience = setTimeout(() => {
      const { waiting } = get();
      set({ waiting: [] });
      void tell(waiting);
    }, SECOND_THOUGHTS_MS);
  },

  undo: () => {
    clearTimeout(patience);
    set({ waiting: [] });
  },
}));

/** Tell the gateway; a photo that it does not delete is shown again. */
async function tell(photoIds: readonly string[]): Promise<void> {
  const { setState: set } = useDeleting;
  set(({ told }) => ({ told: new Set([...told, ...photoIds]) }));
  for (const photo_id of photoIds) {
    try {
      await body(api.DELETE("/v1/photos/{photo_id}", { params: { path: { photo_id } } }));
    } catch (error) {
      if (error instanceof Refused && error.code === "not-found") continue;
      const problem = error instanceof Refused ? error : new Refused("unknown");
      set(({ told }) => ({ problem, told: new Set([...told].filter((id) => id !== photo_id)) }));
    }
  }
}
