"use client";

import { Choose } from "@/parts/choose";
import { Query } from "@/parts/query";

export default function ChoosePage() {
  return (
    <Query>
      {(get) => <Choose photoIds={get("photos").split(",").filter(Boolean)} chosen={get("kind")} />}
    </Query>
  );
}
