"use client";

import { Arriving } from "@/parts/arriving";
import { Choose } from "@/parts/choose";
import { Query } from "@/parts/query";

export default function ChoosePage() {
  return (
    <Query>
      {(get) =>
        get("picture") ? (
          <Arriving pictureId={get("picture")} />
        ) : (
          <Choose photoIds={get("photos").split(",").filter(Boolean)} chosen={get("kind")} />
        )
      }
    </Query>
  );
}
