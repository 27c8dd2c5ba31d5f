import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import type { SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import type { CheckedIntent } from '@holdfast/core/signing/check-intents.ts';
import { expect, test } from 'vitest';
import type { Journal } from '../journal/journal.ts';
import { evmPolicyOf } from '../review/review-context.ts';
import { buryDead } from './bury-dead.ts';

const name = 'eip155:31337';
const digest = 'dd'.repeat(32);

/** How many transactions two nodes that lie together bring a signer to bury, when the policy expects so many liars. */
async function buriedBy(endpoints: number, nodeFaults: number): Promise<number> {
  const policy = samplePolicy();
  const network = { ...evmPolicyOf(policy, name), node_faults: nodeFaults, burial_endpoints_min: 2 };
  const earlier: SignedTransaction = {
    network: name,
    height: 1,
    txid: 'aa'.repeat(32),
    conflictKeys: new Set(['k 0']),
    digests: new Set([digest]),
    fee: 0n,
    beyondRules: false,
  };
  const state = emptyState();
  state.transactionsOf.set(digest, [earlier]);
  const journalled: unknown[] = [];
  const journal = { state, append: async (entry: unknown) => void journalled.push(entry) } as unknown as Journal;
  const reviewed = { network: name, conflictKeys: ['k 1'], intents: [{ digest } as CheckedIntent] };
  await buryDead(journal, reviewed, network, endpoints, async (inTheWay) => inTheWay);
  return journalled.length;
}

test('buries nothing on the word of as many nodes as may lie together, also where it only reserves for a peer', async () => {
  expect(await buriedBy(2, 2)).toBe(0);
  expect(await buriedBy(3, 2)).toBe(1);
  expect(await buriedBy(2, 1)).toBe(1);
});
