"use client";

import { useCallback, useState } from "react";

import { api, body, type Schemas } from "@/api/client";
import { useRemote } from "@/api/remote";
import { useWords } from "@/words";

import { Button, LeaveLink } from "./button";
import { Sheet, Skeleton, Trouble } from "./sheet";

const FEW = 10;
const MANY = 100;
/** How a movement changes what can be spent: a capture takes from what was set aside. */
const SIGNS: Partial<Record<Schemas["Receipt"]["movement"], number>> = {
  hold: -1,
  capture: 0,
  forfeit: -1,
  clawback: -1,
  block: -1,
  owe: 0,
  repay: -1,
};

export function Receipts() {
  const words = useWords();
  const [limit, setLimit] = useState(FEW);
  const load = useCallback(
    () => body(api.GET("/v1/credits/receipts", { params: { query: { limit } } })),
    [limit],
  );
  const { data, problem, reload } = useRemote(load, ["credits"]);
  return (
    <Sheet>
      <h2 className="mb-3 text-2xl">{words("account.receipts")}</h2>
      {data ? (
        <Table receipts={data.items} />
      ) : problem ? (
        <Trouble problem={problem} retry={reload} />
      ) : (
        <Skeleton className="h-40 w-full" />
      )}
      <div className="mt-3 flex flex-wrap gap-3">
        {data?.next_cursor && limit === FEW && (
          <Button
            look="quiet"
            onClick={() => {
              setLimit(MANY);
            }}
          >
            {words("album.more")}
          </Button>
        )}
        <LeaveLink href="/v1/credits/receipts.csv" look="plain">
          {words("account.receipts.csv")}
        </LeaveLink>
      </div>
    </Sheet>
  );
}

function Table({ receipts }: { receipts: Schemas["Receipt"][] }) {
  const words = useWords();
  if (!receipts.length) return <p className="text-soft">{words("account.receipts.none")}</p>;
  return (
    <table className="w-full text-left text-[0.95em]">
      <thead className="text-sm text-soft">
        <tr>
          <th className="py-1 pr-3 font-medium">{words("account.receipts.what")}</th>
          <th className="py-1 text-right font-medium">{words("account.receipts.amount")}</th>
          <th className="py-1 pl-3 text-right font-medium">{words("account.receipts.after")}</th>
        </tr>
      </thead>
      <tbody>
        {receipts.map((one) => (
          <tr key={one.id} className="border-t border-line align-top">
            <td className="wrap-anywhere py-2 pr-3">
              {words(`receipt.${one.movement}`)}
              <time dateTime={one.time} className="block text-sm text-soft">
                {words.date(one.time)}
              </time>
            </td>
            <td className="py-2 text-right font-semibold tabular-nums">
              {signed(one, words.language)}
            </td>
            <td className="py-2 pl-3 text-right tabular-nums">
              {one.available.toLocaleString(words.language)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function signed({ movement, amount }: Schemas["Receipt"], language: string): string {
  const change = (SIGNS[movement] ?? 1) * amount;
  return new Intl.NumberFormat(language, { signDisplay: "exceptZero" }).format(change);
}
