"use client";

import dynamic from "next/dynamic";
import { useState } from "react";

import { signInAddress, useSession } from "@/api/session";
import { LANGUAGES, useSpeaking, useWords, type Language } from "@/words";

import { Button, LeaveLink, pressable } from "./button";
import { Credits } from "./credits";
import { TEXT_SIZES, useLook, type TextSize } from "./look";
import { Plan } from "./plan";
import { Receipts } from "./receipts";
import { Heading, Notice, Sheet, Skeleton } from "./sheet";
import { Shop } from "./shop";

const Erasing = dynamic(() => import("./erasing").then((module) => module.Erasing));

export function Account() {
  const words = useWords();
  const { state, me } = useSession();
  const [isErasing, setIsErasing] = useState(false);
  return (
    <>
      <Heading
        title={words("account.title")}
        lead={me?.email ? words("account.as", { email: me.email }) : undefined}
      />
      <div className="grid grid-cols-1 gap-6">
        {state === "unknown" && <Skeleton className="h-64 w-full" />}
        {state === "away" && <Notice>{words("problem.offline")}</Notice>}
        {state === "out" && (
          <Sheet>
            <p className="text-lg">{words("account.sign_in")}</p>
            <p className="mb-4 text-soft">{words("sign_in.why")}</p>
            <LeaveLink href={signInAddress("/account")}>{words("sign_in")}</LeaveLink>
          </Sheet>
        )}
        {state === "in" && (
          <>
            <div className="grid grid-cols-1 gap-6 md:grid-cols-2">
              <Credits />
              <Plan />
            </div>
            <Shop />
            <Receipts />
          </>
        )}
        <Settings />
        {state === "in" && (
          <div className="flex flex-wrap items-center gap-4">
            <form method="post" action="/logout">
              <button className={pressable("quiet")}>{words("sign_out")}</button>
            </form>
            <Button
              look="plain"
              onClick={() => {
                setIsErasing(true);
              }}
            >
              {words("erase")}
            </Button>
          </div>
        )}
        {isErasing && me && (
          <Erasing
            me={me}
            close={() => {
              setIsErasing(false);
            }}
          />
        )}
      </div>
    </>
  );
}

const FIELD = "mt-1 min-h-12 w-full rounded-xl border-2 border-edge bg-paper px-3";

function Settings() {
  const words = useWords();
  const { language, speak } = useSpeaking();
  const { text, resize } = useLook();
  return (
    <Sheet>
      <h2 className="mb-4 text-2xl">{words("account.settings")}</h2>
      <div className="grid grid-cols-1 gap-4 sm:grid-cols-2">
        <label className="font-semibold">
          {words("account.language")}
          <select
            value={language}
            onChange={(event) => void speak(event.target.value as Language)}
            className={FIELD}
          >
            {Object.entries(LANGUAGES).map(([code, name]) => (
              <option key={code} value={code} lang={code}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label className="font-semibold">
          {words("account.text")}
          <select
            value={text}
            onChange={(event) => {
              resize(event.target.value as TextSize);
            }}
            className={FIELD}
          >
            {TEXT_SIZES.map((size) => (
              <option key={size} value={size}>
                {words(`account.text.${size}`)}
              </option>
            ))}
          </select>
        </label>
      </div>
    </Sheet>
  );
}
