"use client";

import { save, type Finished } from "@/photos/saving";
import { useWords } from "@/words";

import { Button } from "./button";
import { Icon } from "./icons";
import { usePress } from "./press";
import { Trouble } from "./sheet";
import { FULL } from "./strength";

/** Saving a result: as what everybody can open, or as it is, without any loss. */
export function Save({ finished, strength }: { finished: Finished; strength: number }) {
  const words = useWords();
  const jpeg = usePress(() => save(finished, "jpg", strength));
  const png = usePress(() => save(finished, "png"));
  return (
    <>
      <Trouble problem={jpeg.problem ?? png.problem} />
      <Button className="min-h-14 text-lg" disabled={jpeg.isBusy} onClick={jpeg.press}>
        <Icon name="save" />
        {words("job.download")}
      </Button>
      {strength === FULL && (
        <Button look="plain" disabled={png.isBusy} onClick={png.press}>
          {words("job.download.png")}
        </Button>
      )}
    </>
  );
}
