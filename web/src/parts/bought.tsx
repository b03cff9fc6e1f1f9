"use client";

/** For who comes back: how a purchase stands and the way back to the photo, or what has happened. */

import { useCallback, useEffect, useState } from "react";

import { api, body } from "@/api/client";
import { useRemote } from "@/api/remote";
import { interrupted } from "@/photos/interrupted";
import { useWords } from "@/words";

import { ButtonLink } from "./button";
import { Notice } from "./sheet";

const LOOK_EVERY_MS = 2_000;

interface Return {
  checkout: string;
  isPaid: boolean;
}

const TONES = {
  sign_in_failed: "alert",
  sign_in_erased: "alert",
  erased: "good",
  shared_refused: "alert",
  full: "alert",
} as const;
type Arrival = keyof typeof TONES;

function arrivalOf(query: URLSearchParams): Arrival | undefined {
  if (query.has("erased")) return "erased";
  const shared = query.get("shared");
  if (shared === "refused") return "shared_refused";
  if (shared === "full") return "full";
  const signIn = query.get("sign_in");
  return signIn === "failed" || signIn === "erased" ? `sign_in_${signIn}` : undefined;
}

export function WhatWasBought() {
  const words = useWords();
  const [back, setBack] = useState<Return>();
  const [arrival, setArrival] = useState<Arrival>();
  const [goOn, setGoOn] = useState<string | null>(null);

  useEffect(() => {
    const query = new URLSearchParams(location.search);
    /* eslint-disable react-hooks/set-state-in-effect -- the address is read once the page lives */
    setArrival(arrivalOf(query));
    const checkout = query.get("checkout");
    if (!checkout) return;
    setBack({ checkout, isPaid: query.get("outcome") === "paid" });
    setGoOn(interrupted());
    /* eslint-enable react-hooks/set-state-in-effect */
  }, []);

  if (arrival) return <Notice tone={TONES[arrival]}>{words(`home.${arrival}`)}</Notice>;
  if (!back) return null;
  return (
    <>
      {back.isPaid ? <Purchase checkout={back.checkout} /> : <Notice>{words("bought.left")}</Notice>}
      {goOn && <ButtonLink href={goOn}>{words("bought.go_on")}</ButtonLink>}
    </>
  );
}

function Purchase({ checkout }: { checkout: string }) {
  const words = useWords();
  const load = useCallback(
    () => body(api.GET("/v1/checkout/{checkout_id}", { params: { path: { checkout_id: checkout } } })),
    [checkout],
  );
  const { data } = useRemote(load, ["credits", "billing"], LOOK_EVERY_MS);
  const state = data?.state ?? "open";
  const isBad = state === "failed" || state === "expired";
  return (
    <Notice tone={isBad ? "alert" : state === "paid" ? "good" : "calm"}>
      {words(`bought.${state}`)}
    </Notice>
  );
}
