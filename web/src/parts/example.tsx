/** A print on its mount, half faded and half restored: what Rekindle does, without a word. */

export function Example() {
  return (
    <div className="relative mx-auto hidden w-full max-w-sm lg:block" aria-hidden="true">
      <div className="print rotate-2 overflow-hidden">
        <img src="/example-after.webp" alt="" width="540" height="675" className="block w-full" />
        <img
          src="/example-before.webp"
          alt=""
          width="540"
          height="675"
          className="absolute inset-0 h-full w-full border-8 border-mount [clip-path:inset(0_50%_0_0)]"
        />
        <div className="absolute inset-y-2 left-1/2 w-1 -translate-x-1/2 bg-mount" />
      </div>
    </div>
  );
}
