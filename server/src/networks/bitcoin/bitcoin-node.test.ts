import { expect, test } from 'vitest';
import type { RpcEndpoint } from '../../nodes/json-rpc.ts';
import { bitcoinNode } from './bitcoin-node.ts';

/** Coins per 1,000 virtual bytes of each node's estimate; null where a node has no data yet. */
const nodeOf = (...feerates: readonly (number | null)[]) =>
  bitcoinNode(
    feerates.map(
      (feerate, at) =>
        ({
          name: `node-${at + 1}`,
          call: async (): Promise<unknown> => (feerate === null ? { errors: ['no data'] } : { feerate }),
        }) as Partial<RpcEndpoint> as RpcEndpoint,
    ),
    { quorum: 2, returnAfterBlocks: 1, easiestBits: null },
  );

test.each([
  ['the middle of a quorum, rounded up', [0.00001, 0.0000701, 0.0009], 8],
  ['also above the fallback', [0.0005, 0.0005], 50],
  ['the fallback without data', [null, null], 5],
  ['less where one node knows of less: signers that ask that node would refuse the fallback', [0.00001, null], 1],
  ['never more on the word of one node', [0.0005, null], 5],
])('the fee rate is %s', async (_, feerates, satVb) => {
  expect(await nodeOf(...feerates).feeRate(5)).toBe(satVb);
});
