import type { MetadataRoute } from "next";

import { ACCEPTED } from "@/photos/pictures";
import { SHARED_FIELD, SHARED_TO } from "@/photos/shared";

export const dynamic = "force-static";

export default function manifest(): MetadataRoute.Manifest {
  return {
    id: "/",
    name: "Rekindle",
    short_name: "Rekindle",
    description: "Old family photos, restored and kept true.",
    start_url: "/",
    scope: "/",
    display: "standalone",
    background_color: "#f6f0e6",
    theme_color: "#f6f0e6",
    icons: [
      { src: "/icon-192.png", sizes: "192x192", type: "image/png" },
      { src: "/icon-512.png", sizes: "512x512", type: "image/png" },
      { src: "/icon-maskable-512.png", sizes: "512x512", type: "image/png", purpose: "maskable" },
      { src: "/icon.svg", sizes: "any", type: "image/svg+xml" },
    ],
    share_target: {
      action: SHARED_TO,
      method: "POST",
      enctype: "multipart/form-data",
      params: { files: [{ name: SHARED_FIELD, accept: ACCEPTED.split(",") }] },
    },
    shortcuts: [
      { name: "Take a picture", url: "/camera" },
      { name: "Album", url: "/album" },
    ],
  };
}
