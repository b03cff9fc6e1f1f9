"use client";

import { useEffect, useState } from "react";

import { api, attemptKey, body, Refused, type Schemas } from "@/api/client";
import { useRemote } from "@/api/remote";
import { useWords } from "@/words";

import { Button } from "./button";
import { Sheet, Skeleton, Trouble } from "./sheet";

type Interval = "month" | "year";

function load() {
  return body(api.GET("/v1/plans"));
}

function loadSubscription() {
  return body(api.GET("/v1/subscription"));
}

export function Shop() {
  const words = useWords();
  const { data, problem, reload } = useRemote(load);
  const subscription = useRemote(loadSubscription, ["billing"]);
  const checkout = useCheckout();

  const isThere = data !== undefined;
  useEffect(() => {
    // The address may name this part of the page before it is there.
    if (isThere && location.hash === "#buy") document.getElementById("buy")?.scrollIntoView();
  }, [isThere]);

  if (!data) {
    return problem ? (
      <Trouble problem={problem} retry={reload} />
    ) : (
      <Skeleton className="h-72 w-full" />
    );
  }
  return (
    <>
      <div id="buy" className="scroll-mt-4">
        <Sheet>
          <h2 className="text-2xl">{words("account.buy")}</h2>
          <p className="mb-4 text-soft">{words("account.buy.about")}</p>
          <Trouble problem={checkout.problem} />
          <div className="grid grid-cols-[repeat(auto-fit,minmax(min(100%,10rem),1fr))] gap-3">
            {data.top_ups.map(({ credits, price_cents, currency }) => (
              <Button
                key={credits}
                look="quiet"
                disabled={checkout.isBusy}
                aria-label={words("account.buy.this", {
                  count: credits,
                  price: words.money(price_cents, currency),
                })}
                className="flex-col gap-0.5 py-4"
                onClick={() => {
                  checkout.begin({ top_up: credits });
                }}
              >
                <span className="font-serif text-2xl">{words("credits", { count: credits })}</span>
                <span>{words.money(price_cents, currency)}</span>
              </Button>
            ))}
          </div>
        </Sheet>
      </div>
      {subscription.data?.source === "free" && <Plans plans={data.plans} checkout={checkout} />}
    </>
  );
}

type Checkout = ReturnType<typeof useCheckout>;

/** Off to Stripe's page; it leads back to the start, which says how it ended. */
function useCheckout() {
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Refused>();
  useEffect(() => {
    // Who comes back by the browser's own button finds the page as it was left.
    const back = (event: PageTransitionEvent) => {
      if (event.persisted) setIsBusy(false);
    };
    addEventListener("pageshow", back);
    return () => {
      removeEventListener("pageshow", back);
    };
  }, []);
  const begin = (item: Schemas["CheckoutRequest"]) => {
    setIsBusy(true);
    setProblem(undefined);
    body(api.POST("/v1/checkout", { params: { header: attemptKey() }, body: item })).then(
      ({ url }) => {
        if (url) location.assign(url);
      },
      (error: unknown) => {
        setIsBusy(false);
        setProblem(error instanceof Refused ? error : new Refused("unknown"));
      },
    );
  };
  return { begin, isBusy, problem };
}

function Plans({ plans, checkout }: { plans: Schemas["Plan"][]; checkout: Checkout }) {
  const words = useWords();
  const [interval, setInterval] = useState<Interval>("month");
  return (
    <Sheet>
      <h2 className="mb-3 text-2xl">{words("account.plans")}</h2>
      <fieldset className="mb-4 flex flex-wrap gap-x-6">
        <legend className="sr-only">{words("account.plans")}</legend>
        {(["month", "year"] as const).map((one) => (
          <label key={one} className="flex min-h-11 items-center gap-3">
            <input
              type="radio"
              name="interval"
              checked={one === interval}
              onChange={() => {
                setInterval(one);
              }}
              className="size-5 accent-ember"
            />
            {words(one === "month" ? "account.pay.monthly" : "account.pay.yearly")}
          </label>
        ))}
      </fieldset>
      <ul className="grid grid-cols-[repeat(auto-fit,minmax(min(100%,13rem),1fr))] gap-4">
        {plans
          .filter((one) => one.price_monthly_cents > 0)
          .map((one) => (
            <PlanCard key={one.plan} plan={one} interval={interval} checkout={checkout} />
          ))}
      </ul>
    </Sheet>
  );
}

function PlanCard(props: {
  plan: Schemas["Plan"];
  interval: Interval;
  checkout: Checkout;
}) {
  const { plan, interval, checkout } = props;
  const words = useWords();
  const isMonthly = interval === "month";
  const cents = isMonthly ? plan.price_monthly_cents : plan.price_annual_cents;
  const name = words(`account.plan.${plan.plan}`);
  return (
    <li className="flex flex-col rounded-2xl border-2 border-line p-5">
      <h3 className="text-2xl">{name}</h3>
      <p className="text-lg font-semibold text-ember">
        {words("account.monthly", { count: plan.credits_monthly })}
      </p>
      <p>
        {words(isMonthly ? "account.per_month" : "account.per_year", {
          price: words.money(cents, plan.currency),
        })}
      </p>
      <p className="mb-4 text-soft">{words("choose.size", { pixels: plan.short_side_max })}</p>
      <Button
        look="quiet"
        className="mt-auto"
        disabled={checkout.isBusy}
        onClick={() => {
          if (plan.plan !== "free") checkout.begin({ plan: plan.plan, interval });
        }}
      >
        {words("account.take", { plan: name })}
      </Button>
    </li>
  );
}
