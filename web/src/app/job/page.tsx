"use client";

import { JobScreen } from "@/parts/job";
import { Query } from "@/parts/query";

export default function JobPage() {
  return <Query>{(get) => <JobScreen key={get("id")} jobId={get("id")} />}</Query>;
}
