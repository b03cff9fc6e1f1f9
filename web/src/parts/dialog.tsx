import { Dialog as Headless, DialogBackdrop, DialogPanel, DialogTitle } from "@headlessui/react";
import type { ReactNode } from "react";

import { useWords } from "@/words";

import { Icon } from "./icons";

/** A sheet above the page; Escape, its button and a press beside it put it away. */
export function Dialog(props: { title: string; close: () => void; children: ReactNode }) {
  const { title, close, children } = props;
  const words = useWords();
  return (
    <Headless open onClose={close} className="relative z-40">
      <DialogBackdrop className="fixed inset-0 bg-veil" />
      <div className="fixed inset-0 grid items-end overflow-y-auto sm:items-center sm:p-6">
        <DialogPanel className="mx-auto w-full max-w-lg rounded-t-sheet bg-sheet p-6 shadow-print sm:rounded-sheet sm:p-8">
          <div className="mb-4 flex items-start justify-between gap-4">
            <DialogTitle className="text-2xl">{title}</DialogTitle>
            <button
              type="button"
              onClick={close}
              aria-label={words("close")}
              className="-mr-2 -mt-2 grid size-12 shrink-0 place-content-center rounded-full hover:text-ember"
            >
              <Icon name="close" />
            </button>
          </div>
          {children}
        </DialogPanel>
      </div>
    </Headless>
  );
}
