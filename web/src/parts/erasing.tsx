"use client";

import { useState } from "react";

import { api, body, Refused, type Balance, type Schemas } from "@/api/client";
import { useRemote } from "@/api/remote";
import { usePictures } from "@/photos/pictures";
import { useWords } from "@/words";

import { Button } from "./button";
import { Dialog } from "./dialog";
import { Notice, Trouble } from "./sheet";

/** Where who has erased everything arrives. */
const GONE = "/?erased";

function load(): Promise<Balance> {
  return body(api.GET("/v1/credits"));
}

/** Erase everything: what goes is told first, and one box keeps a slip of the finger from it. */
export function Erasing({ me, close }: { me: Schemas["Me"]; close: () => void }) {
  const words = useWords();
  const { data: balance } = useRemote(load, ["credits"]);
  const forget = usePictures((pictures) => pictures.forget);
  const [isSure, setIsSure] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Refused>();

  const erase = async () => {
    setIsBusy(true);
    try {
      const confirm = me.account_id;
      await body(api.DELETE("/v1/me", { params: { query: { confirm } } }));
      await forget();
      location.assign(GONE);
    } catch (error) {
      setIsBusy(false);
      setProblem(error instanceof Refused ? error : new Refused("unknown"));
    }
  };

  return (
    <Dialog title={words("erase.title")} close={close}>
      <p className="text-lg">{words("erase.about")}</p>
      {!!balance?.available && (
        <Notice tone="alert">{words("erase.credits", { count: balance.available })}</Notice>
      )}
      <p className="my-4 text-soft">{words("erase.kept")}</p>
      <label className="flex min-h-12 items-center gap-4 font-semibold">
        <input
          type="checkbox"
          checked={isSure}
          onChange={(event) => {
            setIsSure(event.target.checked);
          }}
          className="size-6 shrink-0 accent-ember"
        />
        {words("erase.sure")}
      </label>
      <Trouble problem={problem} />
      <div className="mt-4 grid grid-cols-1 gap-3 sm:grid-cols-2">
        <Button onClick={close}>{words("erase.keep")}</Button>
        <Button look="quiet" disabled={!isSure || isBusy} onClick={() => void erase()}>
          {words("erase.do")}
        </Button>
      </div>
    </Dialog>
  );
}
