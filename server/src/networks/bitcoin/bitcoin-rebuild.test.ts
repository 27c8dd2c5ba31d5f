import { Failure } from '@holdfast/core/failure.ts';
import { expect, test } from 'vitest';
import { bitcoinRebuild } from './bitcoin-rebuild.ts';

/** One input, one output; consensus encoding without witnesses. */
const rawTx = `0200000001${'11'.repeat(32)}0000000000fdffffff01e803000000000000225120${'22'.repeat(32)}00000000`;
const request = {
  network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
  raw_tx: rawTx,
  input_paths: [[1, 3]] as [number, number][],
  change: [{ output: 0, index: 4 }],
  intents: [],
};
const { plan } = bitcoinRebuild(request.network, async () => {
  throw new Failure('internal', 'no key is asked for');
});

test.each([{ consolidation: true as const }, { sweep: 2 }, { epoch: 2, sweep: 3 }])(
  'signers are asked again for what they were asked for: %o',
  (kind) => {
    const { unsigned, conflictKeys } = plan({ ...request, ...kind });
    const { raw_tx, input_paths, change } = request;
    expect(unsigned).toEqual({ raw_tx, input_paths, change, prevouts: [], ...kind });
    expect(conflictKeys).toEqual([`coin:${'11'.repeat(32)}:0`]);
  },
);
