import type { ParsedBlock } from '@holdfast/core/chains/bitcoin/parse-block.ts';

/** The block that is loaded now, and the next one. */
const aheadMax = 2;

/** Content that a node brings while the block before is looked up and written. @param read of a hash, verified. */
export function blocksAhead(read: (hash: string) => Promise<ParsedBlock>) {
  const ahead = new Map<string, Promise<ParsedBlock>>();
  return {
    fetch(hash: string): void {
      const block = read(hash);
      // Nobody may come for it.
      block.catch(() => undefined);
      ahead.set(hash, block);
      for (const oldest of ahead.keys()) if (ahead.size > aheadMax) ahead.delete(oldest);
    },
    /** What was fetched, once; else it is read now. */
    async take(hash: string): Promise<ParsedBlock> {
      const fetched = ahead.get(hash);
      ahead.delete(hash);
      return fetched ?? read(hash);
    },
  };
}
