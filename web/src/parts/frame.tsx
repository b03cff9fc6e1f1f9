"use client";

/** What is around every screen: the name, the ways to go, and what holds for all of them. */

import Link from "next/link";
import { usePathname } from "next/navigation";
import { useEffect, type ReactNode } from "react";

import { hear } from "@/api/events";
import { useSession } from "@/api/session";
import { usePictures } from "@/photos/pictures";
import { sendAll } from "@/photos/sending";
import { emptyShelf } from "@/photos/shelved";
import { useSpeaking, useWords, type Key } from "@/words";

import { Bars } from "./bars";
import { Deleted } from "./deleted";
import { Icon, type IconName } from "./icons";
import { useLook } from "./look";

const WAYS: readonly { href: string; word: Key; icon: IconName }[] = [
  { href: "/", word: "nav.home", icon: "home" },
  { href: "/album", word: "nav.album", icon: "album" },
  { href: "/account", word: "nav.account", icon: "account" },
];

const KNOCK_EVERY_MS = 10_000;

export function Frame({ children }: { children: ReactNode }) {
  const words = useWords();
  useLife();
  return (
    <>
      <a
        href="#page"
        className="absolute left-4 top-2 z-50 -translate-y-24 rounded-full bg-ember px-5 py-3 text-on-ember focus:translate-y-0"
      >
        {words("nav.skip")}
      </a>
      <header className="mx-auto flex max-w-5xl items-center justify-between px-5 pt-5 sm:px-8">
        <Link href="/" className="flex min-h-11 items-center gap-2.5 rounded-xl" prefetch={false}>
          <img src="/icon.svg" alt="" width="38" height="38" />
          <span className="font-serif text-[1.45rem] font-medium tracking-tight">
            {words("app.name")}
          </span>
        </Link>
        <Ways className="hidden gap-1 sm:flex" />
      </header>
      <Bars />
      <main id="page" tabIndex={-1} className="mx-auto max-w-5xl px-5 pb-40 pt-4 outline-none sm:px-8 sm:pt-10">
        {children}
      </main>
      <Deleted />
      <Ways className="fixed inset-x-0 bottom-0 z-30 flex justify-around border-t border-line bg-sheet pb-[env(safe-area-inset-bottom)] sm:hidden" />
    </>
  );
}

function Ways({ className }: { className: string }) {
  const words = useWords();
  const here = usePathname();
  return (
    <nav className={className} aria-label={words("nav.label")}>
      {WAYS.map(({ href, word, icon }) => (
        <Link
          key={href}
          href={href}
          prefetch={false}
          aria-current={here === href ? "page" : undefined}
          className="flex min-h-14 flex-1 flex-col items-center justify-center gap-0.5 rounded-xl px-1 text-[0.85rem] font-medium text-soft hover:text-ember aria-[current]:text-ember sm:min-h-11 sm:flex-row sm:px-4 sm:gap-2 sm:text-base"
        >
          <Icon name={icon} />
          {words(word)}
        </Link>
      ))}
    </nav>
  );
}

/** Of somebody who has signed out, no photo stays to be seen. */
async function forgetWhoLeft(): Promise<void> {
  if (useSession.getState().state === "out") await emptyShelf();
}

/** Wake what lives as long as the page does. */
function useLife(): void {
  const language = useSpeaking((speaking) => speaking.language);
  const text = useLook((look) => look.text);

  useEffect(() => {
    void useSpeaking.persist.rehydrate();
    void useSpeaking.getState().start();
    void useLook.persist.rehydrate();
    void usePictures.getState().load();
    const wake = () => {
      void useSession.getState().look().then(sendAll).then(forgetWhoLeft);
    };
    wake();
    const seen = () => {
      if (document.visibilityState === "visible") wake();
    };
    // A gateway that is away is no lost network: nothing tells us that it is back.
    const knocking = setInterval(() => {
      if (useSession.getState().state === "away") wake();
    }, KNOCK_EVERY_MS);
    addEventListener("online", wake);
    document.addEventListener("visibilitychange", seen);
    const quiet = hear((type) => {
      if (type === "resync") void sendAll();
    });
    return () => {
      clearInterval(knocking);
      removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", seen);
      quiet();
    };
  }, []);

  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);

  useEffect(() => {
    document.documentElement.dataset.text = text;
  }, [text]);
}
