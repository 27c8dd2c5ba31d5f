/** The highest block that one endpoint of a network reports. */
export interface EndpointHeight {
  /** Without credentials. */
  readonly endpoint: string;
  readonly height: number;
}

/** Blocks that an endpoint may be behind another without a word: new ones reach the nodes at different times. */
export const behindMax = 2;

/** The highest block that a quorum of endpoints has reached; null when fewer than a quorum tell their height. */
export function quorumHeight(heights: readonly Pick<EndpointHeight, 'height'>[], quorum: number): number | null {
  const highestFirst = heights.map(({ height }) => height).toSorted((a, b) => b - a);
  return highestFirst[quorum - 1] ?? null;
}

/** What to say of an endpoint that is too far behind another (or behind what is applied); null when all are level. */
export function describeLag(heights: readonly EndpointHeight[]): string | null {
  const ordered = heights.toSorted((a, b) => a.height - b.height);
  const [lowest, highest] = [ordered[0], ordered.at(-1)];
  if (!lowest || !highest || highest.height - lowest.height <= behindMax) return null;
  return `${lowest.endpoint} is at block ${lowest.height}, ${highest.height - lowest.height} behind ${highest.endpoint}`;
}
