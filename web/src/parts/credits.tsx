"use client";

import { api, body } from "@/api/client";
import { useRemote } from "@/api/remote";
import { useWords } from "@/words";

import { Sheet, Skeleton, Trouble } from "./sheet";

function load() {
  return body(api.GET("/v1/credits"));
}

export function Credits() {
  const words = useWords();
  const { data, problem, reload } = useRemote(load, ["credits", "billing"]);
  return (
    <Sheet>
      <h2 className="text-xl text-soft">{words("account.balance")}</h2>
      {data ? (
        <>
          <p className="font-serif text-6xl text-ember">{data.available.toLocaleString(words.language)}</p>
          {data.held > 0 && (
            <p className="text-soft">{words("account.held", { count: data.held })}</p>
          )}
          {data.credits_monthly > 0 && (
            <p className="text-soft">{words("account.monthly", { count: data.credits_monthly })}</p>
          )}
        </>
      ) : problem ? (
        <Trouble problem={problem} retry={reload} />
      ) : (
        <Skeleton className="mt-2 h-16 w-28" />
      )}
    </Sheet>
  );
}
