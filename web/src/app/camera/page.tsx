"use client";

import { Viewfinder } from "@/parts/viewfinder";

export default function CameraPage() {
  return <Viewfinder />;
}
