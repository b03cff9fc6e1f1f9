import Link from "next/link";
import type { ComponentProps, ReactNode } from "react";

type Look = "main" | "quiet" | "plain";

const SHAPE =
  "inline-flex min-h-12 items-center justify-center gap-2.5 rounded-full px-6 py-2.5 text-center font-semibold leading-tight transition-colors duration-(--pace) disabled:opacity-55";
const LOOKS: Record<Look, string> = {
  main: "bg-ember text-on-ember hover:bg-ember-deep shadow-print",
  quiet: "border-2 border-edge bg-sheet text-ink hover:border-ember hover:text-ember",
  plain: "text-ember underline decoration-2 underline-offset-4 hover:text-ember-deep px-3",
};

/** How something to press looks, whatever it is. */
export function pressable(look: Look, more = ""): string {
  return `${SHAPE} ${LOOKS[look]} ${more}`;
}

type ButtonProps = ComponentProps<"button"> & { look?: Look };

export function Button({ look = "main", className, ...rest }: ButtonProps) {
  return <button type="button" className={pressable(look, className)} {...rest} />;
}

/** A link within the app. */
export function ButtonLink(props: {
  href: string;
  look?: Look;
  className?: string;
  onClick?: () => void;
  children: ReactNode;
}) {
  const { href, look = "main", className, onClick, children } = props;
  return (
    <Link
      href={href}
      className={pressable(look, className)}
      prefetch={false}
      {...(onClick ? { onClick } : {})}
    >
      {children}
    </Link>
  );
}

/** A link that leaves the app: the gateway's own pages, such as sign-in. */
export function LeaveLink(props: { href: string; look?: Look; children: ReactNode }) {
  const { href, look = "main", children } = props;
  return (
    <a href={href} className={pressable(look)}>
      {children}
    </a>
  );
}
