"use client";

import { Crop } from "@/parts/crop";
import { Query } from "@/parts/query";

export default function CropPage() {
  return (
    <Query>{(get) => <Crop key={get("picture") + get("photo")} pictureId={get("picture")} photoId={get("photo")} />}</Query>
  );
}
