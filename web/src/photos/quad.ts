/**
 * The four corners of a print in a picture.
 *
 * Points are parts of the picture as seen upright, 0 to 1. Corners go clockwise; the first one is
 * the upper left of the print, so that turning a print is starting from another corner.
 */

export type Point = readonly [x: number, y: number];
export type Quad = readonly [Point, Point, Point, Point];
/** Quarter turns clockwise. */
export type Turns = 0 | 1 | 2 | 3;
/** A corner (0 to 3, clockwise from the upper left) or an edge (0 is the upper one). */
export interface Handle {
  kind: "corner" | "edge";
  index: 0 | 1 | 2 | 3;
}

export const WHOLE: Quad = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];
/** The gateway refuses what is smaller. */
const AREA_MIN = 0.005;
const INSET = 0.06;

/** Where the corners wait before anybody has an idea of the print. */
export const PLACED: Quad = [
  [INSET, INSET],
  [1 - INSET, INSET],
  [1 - INSET, 1 - INSET],
  [INSET, 1 - INSET],
];

export const HANDLES: readonly Handle[] = ([0, 1, 2, 3] as const).flatMap((index) => [
  { kind: "corner", index } as const,
  { kind: "edge", index } as const,
]);

/** Whether it is a print: convex, clockwise, and not a slip of the finger. */
export function isSound(quad: Quad): boolean {
  let area = 0;
  for (const [n, a] of quad.entries()) {
    const b = quad[(n + 1) % 4] ?? a;
    const c = quad[(n + 2) % 4] ?? a;
    if ((b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]) <= 0) return false;
    area += (a[0] * b[1] - b[0] * a[1]) / 2;
  }
  return area >= AREA_MIN;
}

/** Where a handle is. */
export function place(quad: Quad, { kind, index }: Handle): Point {
  const a = quad[index];
  if (kind === "corner") return a;
  const b = quad[following(index)];
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

/** Move a handle by so much; where that is no print any more, nothing moves. */
export function moved(quad: Quad, { kind, index }: Handle, dx: number, dy: number): Quad {
  const corners = kind === "corner" ? [index] : [index, following(index)];
  const next = quad.map((point, n): Point =>
    corners.includes(n as Turns) ? [within(point[0] + dx), within(point[1] + dy)] : point,
  ) as unknown as Quad;
  return isSound(next) ? next : quad;
}

/** The same print in a picture that was turned. */
export function turned(quad: Quad, turns: Turns): Quad {
  const shown = quad.map((point) => turnedPoint(point, turns)) as unknown as Quad;
  return startingAt(shown, ((4 - turns) % 4) as Turns);
}

/** The print as it lies in the upright picture, given where it is in the turned one. */
export function upright(quad: Quad, turns: Turns): Quad {
  const back = ((4 - turns) % 4) as Turns;
  return quad.map((point) => turnedPoint(point, back)) as unknown as Quad;
}

export function isSame(one: Quad, other: Quad): boolean {
  return one.every((point, n) => point[0] === other[n]?.[0] && point[1] === other[n][1]);
}

function turnedPoint([x, y]: Point, turns: Turns): Point {
  if (turns === 1) return [1 - y, x];
  if (turns === 2) return [1 - x, 1 - y];
  if (turns === 3) return [y, 1 - x];
  return [x, y];
}

function startingAt(quad: Quad, first: Turns): Quad {
  return [...quad.slice(first), ...quad.slice(0, first)] as unknown as Quad;
}

function following(index: Turns): Turns {
  return ((index + 1) % 4) as Turns;
}

function within(value: number): number {
  return Math.min(1, Math.max(0, value));
}
