/** Photos that another app gives to this one. Runs in the service worker. */

import { usePictures } from "./pictures";

/** Where the manifest says that they go. */
export const SHARED_TO = "/share-target";
export const SHARED_FIELD = "photos";
/** More at once is no slip of the finger of somebody who shares. */
const FILES_MAX = 50;

/** Keep what was shared as if it had been chosen, and lead to where chosen photos are. */
export async function takeShared(request: Request): Promise<Response> {
  return Response.redirect(await kept(request), 303);
}

async function kept(request: Request): Promise<string> {
  try {
    const given = (await request.formData()).getAll(SHARED_FIELD).filter((one) => one instanceof File);
    const { pictures } = await usePictures.getState().add(given.slice(0, FILES_MAX));
    const [only] = pictures;
    if (pictures.length < given.length || !only) return "/?shared=refused";
    return pictures.length === 1 ? `/crop?picture=${only.id}` : "/";
  } catch {
    return "/?shared=full";
  }
}
