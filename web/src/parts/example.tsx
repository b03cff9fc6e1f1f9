/** A print on its mount, half faded and half restored: what Rekindle does, without a word. */

export function Example({ className }: { className: string }) {
  return (
    <div className={`mx-auto w-full max-w-56 sm:max-w-72 lg:max-w-sm ${className}`} aria-hidden="true">
      <div className="print rotate-2">
        <div className="relative overflow-hidden">
          <img
            src="/example-after.webp"
            alt=""
            width="540"
            height="675"
            fetchPriority="high"
            className="block w-full"
          />
          <img
            src="/example-before.webp"
            alt=""
            width="540"
            height="675"
            className="absolute inset-0 size-full [clip-path:inset(0_50%_0_0)]"
          />
          <div className="absolute inset-y-0 left-1/2 w-1 -translate-x-1/2 bg-mount" />
        </div>
      </div>
    </div>
  );
}
