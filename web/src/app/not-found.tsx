"use client";

import { ButtonLink } from "@/parts/button";
import { Heading } from "@/parts/sheet";
import { useWords } from "@/words";

export default function NotFound() {
  const words = useWords();
  return (
    <>
      <Heading title={words("not_found.title")} lead={words("not_found.about")} />
      <ButtonLink href="/">{words("not_found.do")}</ButtonLink>
    </>
  );
}
