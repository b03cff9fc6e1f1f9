/** The public API, typed by the committed contract. Every refusal is thrown as a `Refused`. */

import createClient from "openapi-fetch";
import type { Readable } from "openapi-typescript-helpers";

import type { components, paths } from "./schema";

type Named = components["schemas"];
/** The shapes of answers, as the client reads them. */
export type Schemas = { [Name in keyof Named]: Readable<Named[Name]> };
export type Photo = Schemas["Photo"];
export type Job = Schemas["Job"];
export type Balance = Schemas["Balance"];

const ANSWER_TIMEOUT_MS = 30_000;

/** A refusal, or the silence of a broken connection; decide by `code`. */
export class Refused extends Error {
  readonly code: string;
  readonly status: number;
  readonly facts: Record<string, unknown>;

  constructor(code: string, status = 0, detail = "", facts: Record<string, unknown> = {}) {
    super(detail);
    this.code = code;
    this.status = status;
    this.facts = facts;
  }

  /** Whether the same may work a little later. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const api = createClient<paths>({
  fetch: (request) =>
    fetch(request, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), cache: "no-store" }).catch(
      () => {
        throw new Refused("offline");
      },
    ),
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of an answer, or its refusal. */
export async function body<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) throw refusal(error, response.status);
  return data as T;
}

/** A name for one attempt, so that it is done once however often it is sent. */
export function attemptKey(): { "Idempotency-Key": string } {
  return { "Idempotency-Key": newId() };
}

/** A random id; `randomUUID` is there on secure addresses only. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function refusal(error: unknown, status: number): Refused {
  if (typeof error !== "object" || error === null) return new Refused("unavailable", status);
  const facts = error as Record<string, unknown>;
  const code = typeof facts.code === "string" ? facts.code : "unknown";
  return new Refused(code, status, typeof facts.detail === "string" ? facts.detail : "", facts);
}
