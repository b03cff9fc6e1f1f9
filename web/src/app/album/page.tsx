"use client";

import { Album } from "@/parts/album";

export default function AlbumPage() {
  return <Album />;
}
