"use client";

/** What is to be done, what it costs, and what is left then. */

import { useRouter } from "next/navigation";
import { useCallback, useId, useState } from "react";

import { api, attemptKey, body, Refused, type Photo, type Schemas } from "@/api/client";
import { useRemote } from "@/api/remote";
import { signInAddress, useSession } from "@/api/session";
import { interruptAt } from "@/photos/interrupted";
import { useWords, type Words } from "@/words";

import { Button, ButtonLink, LeaveLink } from "./button";
import { Heading, Notice, Sheet, Skeleton, Trouble } from "./sheet";

const NOTE_LENGTH_MAX = 300;
const LOOK_EVERY_MS = 4_000;

type Kind = Schemas["Kind"];
type Quote = Schemas["Quote"];

export function Choose({ photoIds, chosen }: { photoIds: readonly string[]; chosen: string }) {
  const words = useWords();
  const isOut = useSession((session) => session.state === "out");
  const [kind, setKind] = useState(chosen || "restore_colourize");
  const [note, setNote] = useState("");
  const kinds = useRemote(loadKinds);
  const quote = useQuote(kind, photoIds.length);
  const order = useOrder(photoIds);

  if (isOut) {
    const here = `/choose?photos=${photoIds.join(",")}`;
    return (
      <>
        <Heading title={words("choose.title")} lead={words("problem.unauthenticated")} />
        <LeaveLink href={signInAddress(here)}>{words("sign_in")}</LeaveLink>
      </>
    );
  }

  const isMissing = (quote.data?.missing ?? 0) > 0;
  return (
    <>
      <Heading
        title={
          photoIds.length > 1
            ? words("choose.title.many", { count: photoIds.length })
            : words("choose.title")
        }
      />
      <div className="grid grid-cols-1 items-start gap-8 md:grid-cols-[minmax(0,18rem)_1fr]">
        <Previews photoIds={photoIds} />
        <Sheet>
          <Kinds kinds={kinds.data} kind={kind} choose={setKind} />
          <Note note={note} write={setNote} />
          <Price quote={quote.data} />
          <Trouble problem={order.problem ?? quote.problem ?? kinds.problem} />
          {isMissing && quote.data ? (
            <Missing quote={quote.data} here={`/choose?photos=${photoIds.join(",")}&kind=${kind}`} />
          ) : (
            <Button
              className="mt-5 min-h-14 w-full text-xl"
              disabled={order.isBusy || !quote.data || !photoIds.length}
              onClick={() => {
                order.place(kind, note);
              }}
            >
              {words(order.isBusy ? "choose.starting" : "choose.start")}
            </Button>
          )}
        </Sheet>
      </div>
    </>
  );
}

async function loadKinds(): Promise<Kind[]> {
  const { items } = await body(api.GET("/v1/kinds"));
  return items.filter((kind) => kind.available && kind.photos_min === 1);
}

function useQuote(kind: string, orders: number) {
  const load = useCallback(
    () => body(api.POST("/v1/jobs/quote", { body: { kind, orders: Math.max(orders, 1) } })),
    [kind, orders],
  );
  return useRemote(load, ["credits", "billing"]);
}

/** Places the order once, however often the button is pressed. */
function useOrder(photoIds: readonly string[]) {
  const router = useRouter();
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Refused>();
  // The same key for every try of one order: what was placed is not placed again.
  const [attempt, setAttempt] = useState<{ of: string; key: ReturnType<typeof attemptKey> }>();

  const place = (kind: string, note: string) => {
    const order = { kind, note: note.trim() || null, photo_ids: [...photoIds] };
    const of = JSON.stringify(order);
    const current = attempt?.of === of ? attempt : { of, key: attemptKey() };
    setAttempt(current);
    setIsBusy(true);
    setProblem(undefined);
    placed(order, current.key).then(
      (address) => {
        router.push(address);
      },
      (error: unknown) => {
        setIsBusy(false);
        setProblem(error instanceof Refused ? error : new Refused("unknown"));
      },
    );
  };
  return { place, isBusy, problem };
}

/** Place an order; the address of the screen that follows it. */
async function placed(
  order: { kind: string; note: string | null; photo_ids: string[] },
  header: ReturnType<typeof attemptKey>,
): Promise<string> {
  const asked = { params: { header }, body: order };
  if (order.photo_ids.length > 1) {
    await body(api.POST("/v1/batches", asked));
    return "/album";
  }
  const job = await body(api.POST("/v1/jobs", asked));
  return `/job?id=${job.id}`;
}

function Kinds(props: {
  kinds: Kind[] | undefined;
  kind: string;
  choose: (kind: string) => void;
}) {
  const { kinds, kind, choose } = props;
  const words = useWords();
  if (!kinds) return <Skeleton className="h-72 w-full" />;
  return (
    <fieldset>
      <legend className="sr-only">{words("choose.kinds")}</legend>
      <div className="grid grid-cols-1 gap-3">
        {kinds.map((one) => (
          <label
            key={one.kind}
            className="flex min-h-16 items-center gap-4 rounded-2xl border-2 border-line p-4 transition-colors duration-(--pace) hover:border-edge has-checked:border-ember has-checked:bg-glow has-focus-visible:outline-3 has-focus-visible:outline-offset-2 has-focus-visible:outline-ink"
          >
            <input
              type="radio"
              name="kind"
              value={one.kind}
              checked={one.kind === kind}
              onChange={() => {
                choose(one.kind);
              }}
              className="size-5 shrink-0 accent-ember outline-none"
            />
            <span className="min-w-0 flex-1">
              <span className="flex flex-wrap items-baseline justify-between gap-x-4">
                <span className="min-w-0 font-serif text-xl">{titleOf(one, words)}</span>
                <span className="font-semibold text-ember">
                  {words("credits", { count: one.credits })}
                </span>
              </span>
              <span className="block text-soft">{aboutOf(one, words)}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function titleOf({ kind, title }: Kind, words: Words): string {
  const key = `choose.${kind}`;
  return words.has(key) ? words(key) : title;
}

function aboutOf({ kind }: Kind, words: Words): string {
  const key = `choose.${kind}.about`;
  return words.has(key) ? words(key) : "";
}

function Note({ note, write }: { note: string; write: (note: string) => void }) {
  const words = useWords();
  const id = useId();
  return (
    <div className="mt-5">
      <label htmlFor={id} className="font-semibold">
        {words("choose.note")}
      </label>
      <p id={`${id}-hint`} className="text-soft">
        {words("choose.note.hint")}
      </p>
      <textarea
        id={id}
        aria-describedby={`${id}-hint`}
        rows={2}
        maxLength={NOTE_LENGTH_MAX}
        value={note}
        onChange={(event) => {
          write(event.target.value);
        }}
        className="mt-2 w-full rounded-xl border-2 border-edge bg-paper p-3"
      />
    </div>
  );
}

function Price({ quote }: { quote: Quote | undefined }) {
  const words = useWords();
  if (!quote) return <Skeleton className="mt-5 h-16 w-full" />;
  return (
    <dl className="mt-5 grid grid-cols-1 gap-1 border-t border-line pt-4 text-lg">
      <div className="flex justify-between gap-4">
        <dt>{words("choose.price")}</dt>
        <dd className="font-semibold">{words("credits", { count: quote.price })}</dd>
      </div>
      {quote.missing === 0 && (
        <div className="flex justify-between gap-4 text-soft">
          <dt>{words("choose.after")}</dt>
          <dd>{words("credits", { count: quote.available_after })}</dd>
        </div>
      )}
    </dl>
  );
}

function Missing({ quote, here }: { quote: Quote; here: string }) {
  const words = useWords();
  const { missing: count, price, available } = quote;
  return (
    <Notice>
      <p>{words("choose.missing", { count, price, available })}</p>
      <p className="mb-3 font-normal">{words("choose.missing.kept")}</p>
      <ButtonLink
        href="/account#buy"
        onClick={() => {
          interruptAt(here);
        }}
      >
        {words("choose.missing.do")}
      </ButtonLink>
    </Notice>
  );
}

function Previews({ photoIds }: { photoIds: readonly string[] }) {
  const ids = photoIds.join(",");
  const load = useCallback(
    () => Promise.all(ids.split(",").filter(Boolean).map((id) => loadPhoto(id))),
    [ids],
  );
  const photos = useRemote(load, ["uploads"], LOOK_EVERY_MS);
  return (
    <div>
      <Trouble problem={photos.problem} />
      <ul className={photoIds.length > 1 ? "grid grid-cols-2 gap-4" : ""}>
        {photoIds.map((id, n) => (
          <li key={id}>
            <Preview photo={photos.data?.[n]} isOne={photoIds.length === 1} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function loadPhoto(id: string): Promise<Photo> {
  return body(api.GET("/v1/photos/{photo_id}", { params: { path: { photo_id: id } } }));
}

function Preview({ photo, isOne }: { photo: Photo | undefined; isOne: boolean }) {
  const words = useWords();
  if (photo?.state === "rejected") {
    return <Notice tone="alert">{photo.problem?.detail ?? words("row.refused")}</Notice>;
  }
  if (!photo?.preview_url) {
    return (
      <div className="print mx-auto max-w-72">
        <Skeleton className="aspect-[4/5] w-full" />
        <p className="bg-mount pt-2 text-center text-sm text-on-mount">{words("choose.preparing")}</p>
      </div>
    );
  }
  return (
    <div className="mx-auto max-w-72 text-center">
      <img
        src={photo.preview_url}
        alt={photo.filename}
        width={photo.width ?? undefined}
        height={photo.height ?? undefined}
        className="print mx-auto max-h-[30dvh] w-auto md:max-h-[46dvh]"
      />
      {isOne && (
        <ButtonLink href={`/crop?photo=${photo.id}`} look="plain" className="mt-2">
          {words("choose.recut")}
        </ButtonLink>
      )}
    </div>
  );
}
