"use client";

/** What has to be said on every screen: no connection, a newer version. */

import { useEffect, useState } from "react";

import { useSession } from "@/api/session";
import { usePictures } from "@/photos/pictures";
import { useWords } from "@/words";

import { Button } from "./button";

export function Bars() {
  const words = useWords();
  const isAway = useSession((session) => session.state === "away");
  const update = useUpdate();
  const isSending = usePictures(({ kept }) => kept?.some((one) => one.state === "waiting"));
  return (
    <div className="mx-auto max-w-5xl px-5 sm:px-8" role="status">
      {isAway && (
        <p className="mt-3 rounded-2xl bg-glow px-5 py-3 font-medium">{words("offline.bar")}</p>
      )}
      {update && !isSending && (
        <p className="mt-3 flex flex-wrap items-center gap-x-3 rounded-2xl bg-glow px-5 py-2 font-medium">
          {words("update.bar")}
          <Button look="plain" onClick={update}>
            {words("update.do")}
          </Button>
        </p>
      )}
    </div>
  );
}

/** Register the service worker; when a newer one waits, what takes it into use. */
function useUpdate(): (() => void) | undefined {
  const [waiting, setWaiting] = useState<ServiceWorker | null>(null);

  useEffect(() => {
    if (!("serviceWorker" in navigator) || process.env.NODE_ENV !== "production") return;
    void navigator.serviceWorker.register("/sw.js").then((registration) => {
      const look = () => {
        if (registration.waiting && navigator.serviceWorker.controller) {
          setWaiting(registration.waiting);
        }
      };
      look();
      registration.addEventListener("updatefound", () => {
        registration.installing?.addEventListener("statechange", look);
      });
    });
  }, []);

  if (!waiting) return undefined;
  return () => {
    navigator.serviceWorker.addEventListener("controllerchange", () => {
      location.reload();
    });
    waiting.postMessage({ type: "SKIP_WAITING" });
  };
}
