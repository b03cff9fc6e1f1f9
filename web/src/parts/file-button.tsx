import type { ReactNode } from "react";

import { pressable } from "./button";

interface Props {
  look?: "main" | "quiet";
  camera?: boolean;
  className?: string;
  onFiles: (files: readonly File[]) => void;
  accept: string;
  children: ReactNode;
}

/** A button that is a file input, so that every browser and screen reader can open it. */
export function FileButton(props: Props) {
  const { look = "main", camera = false, className = "", onFiles, accept, children } = props;
  return (
    <label
      className={`${pressable(look)} relative overflow-hidden focus-within:outline-3 focus-within:outline-offset-3 focus-within:outline-ink ${className}`}
    >
      {children}
      <input
        type="file"
        accept={accept}
        multiple={!camera}
        {...(camera ? { capture: "environment" } : {})}
        className="absolute inset-0 cursor-pointer text-[4rem] opacity-0"
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
    </label>
  );
}
