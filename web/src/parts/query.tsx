"use client";

import { useSearchParams } from "next/navigation";
import { Suspense, type ReactNode } from "react";

import { Skeleton } from "./sheet";

/** The export knows no addresses with a query: what depends on one waits for the browser. */
export function Query({ children }: { children: (get: (name: string) => string) => ReactNode }) {
  return (
    <Suspense fallback={<Skeleton className="h-96 w-full" />}>
      <Reading>{children}</Reading>
    </Suspense>
  );
}

function Reading({ children }: { children: (get: (name: string) => string) => ReactNode }) {
  const query = useSearchParams();
  return children((name) => query.get(name) ?? "");
}
