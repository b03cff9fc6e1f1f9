/**
 * What happens to the account, as it happens: one stream per tab.
 *
 * The browser itself comes back after a break and names the last event it saw, so that the gateway
 * replays the rest. An event is a reason to look again, never the truth itself; screens look again
 * every now and then as well, for when no stream gets through.
 */

import { create } from "zustand";

const TYPES = [
  "gateway.handoff.opened",
  "gateway.handoff.used",
  "uploads.photo.accepted",
  "uploads.photo.rejected",
  "uploads.photo.ready",
  "uploads.photo.deleted",
  "processing.job.queued",
  "processing.job.started",
  "processing.job.checking",
  "processing.job.completed",
  "processing.job.failed",
  "processing.job.cancelled",
  "processing.batch.finished",
  "credits.balance.granted",
  "credits.balance.revoked",
  "credits.balance.forfeited",
  "credits.hold.placed",
  "credits.hold.captured",
  "credits.hold.released",
  "credits.hold.expired",
  "credits.hold.refunded",
  "credits.batch.placed",
  "billing.plan.changed",
  "resync",
] as const;
export type EventType = (typeof TYPES)[number];
export type Family = "gateway" | "uploads" | "processing" | "credits" | "billing";

const LOOK_AGAIN_MS = 20_000;

type Listener = (type: EventType) => void;
const listeners = new Set<Listener>();
let source: EventSource | null = null;

export const useStream = create<{ isLive: boolean }>(() => ({ isLive: false }));

/** Listen for as long as somebody is signed in. */
export function openStream(): void {
  if (source) return;
  source = new EventSource("/v1/events");
  source.onopen = () => {
    useStream.setState({ isLive: true });
    tell("resync");
  };
  source.onerror = () => {
    useStream.setState({ isLive: false });
    // A refusal ends a stream for good; a broken line does not.
    if (source?.readyState === EventSource.CLOSED) reopenLater();
  };
  for (const type of TYPES) {
    source.addEventListener(type, () => {
      tell(type);
    });
  }
}

export function closeStream(): void {
  source?.close();
  source = null;
  useStream.setState({ isLive: false });
}

/** Hear of events until the returned function is called. */
export function hear(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(type: EventType): void {
  for (const listener of listeners) listener(type);
}

function reopenLater(): void {
  source = null;
  setTimeout(openStream, LOOK_AGAIN_MS);
}
