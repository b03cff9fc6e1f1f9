import type { ReactNode } from "react";

import type { Refused } from "@/api/client";
import { useWords } from "@/words";

import { Button } from "./button";

/** A piece of paper that holds what belongs together. */
export function Sheet({ children, className = "" }: { children: ReactNode; className?: string }) {
  return (
    <section
      className={`rounded-sheet border border-line bg-sheet p-5 shadow-sheet sm:p-7 ${className}`}
    >
      {children}
    </section>
  );
}

/** The title of a screen, and a sentence that says what it is for. */
export function Heading({ title, lead }: { title: string; lead?: string | undefined }) {
  return (
    <header className="mb-4 sm:mb-6">
      <h1 className="text-[1.8rem] sm:text-[2.6rem]">{title}</h1>
      {lead && <p className="mt-2 max-w-2xl text-soft sm:text-lg">{lead}</p>}
    </header>
  );
}

type Tone = "calm" | "good" | "alert";

const TONES: Record<Tone, string> = {
  calm: "bg-glow text-ink",
  good: "bg-leaf-soft text-leaf",
  alert: "bg-alert-soft text-alert",
};

/** What has just happened, in a sentence; read out when it appears. */
export function Notice({ tone = "calm", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <div
      role={tone === "alert" ? "alert" : "status"}
      className={`my-4 rounded-2xl px-5 py-3.5 font-medium ${TONES[tone]}`}
    >
      {children}
    </div>
  );
}

/** What went wrong, what became of photo and credits, and a way on. */
export function Trouble(props: { problem: Refused | undefined; retry?: (() => void) | undefined }) {
  const { problem, retry } = props;
  const words = useWords();
  if (!problem) return null;
  const key = `problem.${problem.code}`;
  return (
    <Notice tone="alert">
      <p>{words.has(key) ? words(key) : problem.message || words("problem.unknown")}</p>
      {retry && (
        <Button look="plain" onClick={retry} className="-ml-3">
          {words("retry")}
        </Button>
      )}
    </Notice>
  );
}

/** The shape of what is on its way. */
export function Skeleton({ className }: { className: string }) {
  const words = useWords();
  return (
    <div className={`skeleton max-w-full ${className}`} role="status">
      <span className="sr-only">{words("loading")}</span>
    </div>
  );
}
