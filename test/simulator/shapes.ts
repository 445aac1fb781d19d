/** How large a simulated cluster is. */
export interface Shape {
  readonly servers: number;
  readonly copies: 2 | 3;
}

/** What is explored: each of these in turn. */
export const SHAPES: readonly Shape[] = [3, 5, 7].flatMap((servers) => [{ servers, copies: 2 }, { servers, copies: 3 }] as const);

export const SERVERS_MIN = 3;
export const SERVERS_MAX = 7;

export function shapeName({ servers, copies }: Shape): string {
  return `${servers}x${copies}`;
}

/** The shape of a seed when none is told. */
export function shapeOf(seed: number): Shape {
  return SHAPES[seed % SHAPES.length] as Shape;
}
