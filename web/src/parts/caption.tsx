"use client";

import { useId, useState } from "react";

import { api, body, type Photo } from "@/api/client";
import { useWords } from "@/words";

import { Button } from "./button";
import { usePress } from "./press";
import { Trouble } from "./sheet";

const LENGTH_MAX = 200;

/** What somebody wrote about a photo, and a press that changes it. */
export function Caption(props: { photo: Photo; written: (photo: Photo) => void }) {
  const { photo, written } = props;
  const words = useWords();
  const id = useId();
  const [draft, setDraft] = useState<string>();
  const { press, isBusy, problem } = usePress(async () => {
    const params = { path: { photo_id: photo.id } };
    const caption = draft?.trim() ?? null;
    written(await body(api.PUT("/v1/photos/{photo_id}/caption", { params, body: { caption } })));
    setDraft(undefined);
  });

  if (draft === undefined) {
    return (
      <p className="mt-2 text-center">
        {photo.caption && <span className="font-serif text-xl">{photo.caption}</span>}
        <Button
          look="plain"
          onClick={() => {
            setDraft(photo.caption ?? "");
          }}
        >
          {words(photo.caption ? "caption.change" : "caption.write")}
        </Button>
      </p>
    );
  }
  return (
    <form
      className="mx-auto mt-2 max-w-xl"
      onSubmit={(event) => {
        event.preventDefault();
        press();
      }}
    >
      <label htmlFor={id} className="font-semibold">
        {words("caption.label")}
      </label>
      <div className="mt-2 flex flex-wrap gap-3">
        <input
          id={id}
          value={draft}
          maxLength={LENGTH_MAX}
          placeholder={words("caption.example")}
          onChange={(event) => {
            setDraft(event.target.value);
          }}
          className="min-h-12 min-w-0 flex-1 basis-60 rounded-xl border-2 border-edge bg-paper px-3 placeholder:text-soft"
        />
        <Button type="submit" disabled={isBusy}>
          {words("caption.save")}
        </Button>
      </div>
      <Trouble problem={problem} />
    </form>
  );
}
