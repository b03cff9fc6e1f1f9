import { useState } from "react";

import { Refused } from "@/api/client";

/** Something a button does: once at a time, and what went wrong with the last time. */
export function usePress(act: () => Promise<void>) {
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Refused>();
  const press = () => {
    setIsBusy(true);
    setProblem(undefined);
    act()
      .catch((error: unknown) => {
        setProblem(error instanceof Refused ? error : new Refused("unknown"));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };
  return { press, isBusy, problem };
}
