/** Drawn once, in the colour of the words beside them; screen readers skip them. */

const PATHS = {
  home: "M4 11.5 12 4l8 7.5M6.5 10v9.5h11V10",
  album: "M4 6.5h16v12H4zM4 15l4.5-4 4 3.5 3-2.5L20 15.5M15.5 9.6h.01",
  account: "M12 12.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20c1-3.6 4-5 7.5-5s6.5 1.4 7.5 5",
  camera: "M4 8.5h3.5L9 6h6l1.5 2.5H20v10.5H4zM12 16.5a3.3 3.3 0 1 0 0-6.6 3.3 3.3 0 0 0 0 6.6Z",
  photos: "M7.5 4h12v12.5h-12zM4.5 7.5v12.5h12M7.5 13.5l3.5-3.5 3 3 2-2 3.5 3.5",
  phone: "M8 3h8v18H8zM11 18h2",
  turn: "M19 12a7 7 0 1 1-2.5-5.4M19.5 3.5v4h-4",
  check: "m5 12.5 4.5 4.5L19 7.5",
  left: "M19 12H5m6-6-6 6 6 6",
  right: "M5 12h14m-6-6 6 6-6 6",
  up: "M12 19V5m-6 6 6-6 6 6",
  down: "M12 5v14m-6-6 6 6 6-6",
  save: "M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 19.5h14",
  share: "M8.5 10.5H6V20h12v-9.5h-2.5M12 15V3.5m-4 4 4-4 4 4",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  close: "m6 6 12 12M18 6 6 18",
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name, className = "size-6" }: { name: IconName; className?: string }) {
  return (
    <svg viewBox="0 0 24 24" className={`shrink-0 ${className}`} aria-hidden="true">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
