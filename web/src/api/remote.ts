/** A piece of the server's truth on a screen: loaded, kept fresh by events, looked at again. */

import { useCallback, useEffect, useRef, useState } from "react";

import { Refused } from "./client";
import { hear, type Family } from "./events";

const LOOK_EVERY_MS = 20_000;
const GATHER_MS = 80;

export interface Remote<T> {
  data: T | undefined;
  problem: Refused | undefined;
  reload: () => void;
}

/**
 * Load something, and again whenever an event of one of these families arrives.
 *
 * `load` must be stable (`useCallback`, or defined outside); null means: nothing to load now.
 */
export function useRemote<T>(
  load: (() => Promise<T>) | null,
  families: readonly Family[] = NONE,
  everyMs = LOOK_EVERY_MS,
): Remote<T> {
  const [state, setState] = useState<{ data?: T; problem?: Refused }>({});
  const latest = useRef(0);
  const heard = families.join(" ");

  const reload = useCallback(() => {
    if (!load) return;
    const turn = ++latest.current;
    load().then(
      (data) => {
        // A slow answer must not replace a newer one.
        if (turn === latest.current) setState({ data });
      },
      (error: unknown) => {
        if (turn !== latest.current) return;
        const problem = error instanceof Refused ? error : new Refused("unknown");
        setState((before) => ({ ...before, problem }));
      },
    );
  }, [load]);

  useEffect(() => {
    reload();
    let gathering: ReturnType<typeof setTimeout> | undefined;
    const quiet = hear((type) => {
      if (type !== "resync" && !heard.split(" ").includes(type.split(".", 1)[0] ?? "")) return;
      // Events come in bursts; one look is enough for all of them.
      clearTimeout(gathering);
      gathering = setTimeout(reload, GATHER_MS);
    });
    const looking = setInterval(() => {
      if (document.visibilityState === "visible") reload();
    }, everyMs);
    addEventListener("online", reload);
    return () => {
      quiet();
      clearTimeout(gathering);
      clearInterval(looking);
      removeEventListener("online", reload);
      latest.current += 1;
    };
  }, [reload, heard, everyMs]);

  return { data: state.data, problem: state.problem, reload };
}

const NONE: readonly Family[] = [];
