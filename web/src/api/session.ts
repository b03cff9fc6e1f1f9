/** Who is signed in. Offline nobody is asked: what is on this device is shown. */

import { create } from "zustand";

import { api, body, Refused, type Schemas } from "./client";
import { closeStream, openStream } from "./events";

interface Session {
  /** `away`: the gateway does not answer, so nobody knows. */
  state: "unknown" | "in" | "out" | "away";
  me: Schemas["Me"] | null;
  look: () => Promise<void>;
}

export const useSession = create<Session>((set) => ({
  state: "unknown",
  me: null,
  look: async () => {
    try {
      const me = await body(api.GET("/v1/me"));
      set({ state: "in", me });
      openStream();
    } catch (error) {
      const isOut = error instanceof Refused && error.code === "unauthenticated";
      set(isOut ? { state: "out", me: null } : { state: "away" });
      closeStream();
    }
  },
}));

/** The address that signs in and comes back to where we are. */
export function signInAddress(returnTo: string): string {
  return `/login?return_to=${encodeURIComponent(returnTo)}`;
}
