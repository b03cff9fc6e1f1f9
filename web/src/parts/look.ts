/** How large the words are, as this device remembers it. */

import { create } from "zustand";
import { persist } from "zustand/middleware";

export const TEXT_SIZES = ["normal", "large", "huge"] as const;
export type TextSize = (typeof TEXT_SIZES)[number];

interface Look {
  text: TextSize;
  resize: (text: TextSize) => void;
}

export const useLook = create<Look>()(
  persist(
    (set) => ({
      text: "normal",
      resize: (text) => {
        set({ text });
      },
    }),
    { name: "rekindle-look", skipHydration: true },
  ),
);
