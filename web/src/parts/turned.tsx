import type { Turns } from "@/photos/quad";

export interface Size {
  width: number;
  height: number;
}

/** What a picture measures after so many quarter turns. */
export function turnedSize({ width, height }: Size, turns: Turns): Size {
  return turns % 2 ? { width: height, height: width } : { width, height };
}

/** A picture, turned, that fills a box of its turned proportions. */
export function Turned(props: { src: string; size: Size; turns: Turns }) {
  const { src, size, turns } = props;
  const shown = turnedSize(size, turns);
  return (
    <img
      src={src}
      alt=""
      draggable={false}
      className="absolute left-1/2 top-1/2 max-w-none select-none"
      style={{
        width: `${(100 * size.width) / shown.width}%`,
        height: `${(100 * size.height) / shown.height}%`,
        transform: `translate(-50%, -50%) rotate(${90 * turns}deg)`,
      }}
    />
  );
}
