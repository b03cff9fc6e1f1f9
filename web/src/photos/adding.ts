/** What happens with files that somebody gives us: kept here, and on to the next step. */

import { useRouter } from "next/navigation";
import { useCallback, useState } from "react";

import { usePictures, type Added } from "./pictures";
import { sendAll } from "./sending";

export type Refusals = Pick<Added, "notPhotos" | "tooLarge"> & { isFull: boolean };

const NONE: Refusals = { notPhotos: [], tooLarge: [], isFull: false };

export function useAdding(): { add: (files: readonly File[]) => void; refusals: Refusals } {
  const router = useRouter();
  const [refusals, setRefusals] = useState(NONE);

  const add = useCallback(
    (files: readonly File[]) => {
      const take = async () => {
        const { pictures, ...refused } = await usePictures.getState().add(files);
        setRefusals({ ...refused, isFull: false });
        void sendAll();
        const [only] = pictures;
        if (only && pictures.length === 1 && !refused.notPhotos.length && !refused.tooLarge.length) {
          router.push(`/crop?picture=${only.id}`);
        }
      };
      take().catch(() => {
        setRefusals({ ...NONE, isFull: true });
      });
    },
    [router],
  );

  return { add, refusals };
}
