/** Bytes on their way to the storage: one form, or parts of a large file, each tried again. */

import { Refused, type Schemas } from "@/api/client";

type Upload = Schemas["FormUpload"] | Schemas["PartsUpload"];
type Part = Schemas["PartAddress"];
/** Hears which part of the file has been sent, 0 to 1. */
type Progress = (part: number) => void;

const SILENCE_TIMEOUT_MS = 60_000;
const PARTS_AT_ONCE = 2;
const TRIES_MAX = 4;
const PAUSE_MS = 800;

/** Send what is missing of a file. `Refused` with `storage` when it did not go through. */
export async function send(upload: Upload, file: Blob, progress: Progress): Promise<void> {
  if (upload.method === "POST") await sendForm(upload, file, progress);
  else await sendParts(upload, file, progress);
}

async function sendForm(
  upload: Schemas["FormUpload"],
  file: Blob,
  progress: Progress,
): Promise<void> {
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
  form.append("file", file);
  await patiently(() =>
    request("POST", upload.url, form, (loaded, total) => {
      progress(loaded / total);
    }),
  );
}

async function sendParts(
  upload: Schemas["PartsUpload"],
  file: Blob,
  progress: Progress,
): Promise<void> {
  const sent = new Map<number, number>();
  const missing = upload.parts.reduce((sum, part) => sum + part.bytes, 0);
  const waiting = [...upload.parts];
  const sendNext = async (): Promise<void> => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      await sendPart(part);
    }
  };
  const sendPart = async (part: Part): Promise<void> => {
    const begin = (part.number - 1) * upload.part_bytes;
    const bytes = file.slice(begin, begin + part.bytes);
    await patiently(() =>
      request("PUT", part.url, bytes, (loaded) => {
        sent.set(part.number, loaded);
        const gone = [...sent.values()].reduce((sum, one) => sum + one, 0);
        progress((file.size - missing + gone) / file.size);
      }),
    );
  };
  await Promise.all(Array.from({ length: PARTS_AT_ONCE }, sendNext));
}

function request(
  method: string,
  url: string,
  content: FormData | Blob,
  progress: (loaded: number, total: number) => void,
): Promise<void> {
  return new Promise((done, fail) => {
    const sending = new XMLHttpRequest();
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        sending.abort();
      }, SILENCE_TIMEOUT_MS);
    };
    sending.upload.onprogress = (event) => {
      heard();
      progress(event.loaded, event.total);
    };
    sending.onloadend = () => {
      clearTimeout(silence);
      if (sending.status >= 200 && sending.status < 300) done();
      else fail(new Refused("storage", sending.status));
    };
    sending.open(method, url);
    sending.send(content);
    heard();
  });
}

async function patiently(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await work();
      return;
    } catch (error) {
      const passes = error instanceof Refused && error.passes;
      if (!passes || tries === TRIES_MAX || !navigator.onLine) throw error;
      await new Promise((go) => setTimeout(go, PAUSE_MS * 2 ** tries));
    }
  }
}
