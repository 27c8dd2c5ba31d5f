import { readBitcoinFacts } from '@holdfast/signer/nodes/bitcoin-node.ts';
import { readSafe } from '@holdfast/signer/nodes/evm-node.ts';
import { createRpc, type SendRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import { proveBitcoinDeposit } from '@holdfast/signer/nodes/prove-bitcoin-deposit.ts';
import { proveEvmDeposit } from '@holdfast/signer/nodes/prove-evm-deposit.ts';
import { readBitcoinSpends } from '@holdfast/signer/nodes/read-bitcoin-spends.ts';
import { readSafeExecutions } from '@holdfast/signer/nodes/read-safe-executions.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bitcoinPolicy, claimOf, evmPolicy, proofOwners } from '../support/node-policies.ts';
import { startStubNode, type StubNode } from '../support/stub-nodes.ts';

/** One node, and every answer of it may have one value changed: what comes out is the truth or a refusal. */
const alone = { node_faults: 0 };
const evm = { ...evmPolicy, ...alone };
const bitcoin = { ...bitcoinPolicy, ...alone };
const script = `5120${'ab'.repeat(32)}`;
const depositor = `0x${'A1'.repeat(20)}`;
let node: StubNode;
let honest: SendRpc;
beforeAll(async () => {
  node = await startStubNode();
  Object.assign(node, { owners: proofOwners, safeNonce: 3n });
  node.executions.push({ height: 195, safeTxHash: 'ee'.repeat(32) });
  node.deposits.push({ contract: null, address: depositor, height: 198, amount: 7n });
  honest = createRpc(node.urls[0], 5_000);
});
afterAll(async () => {
  await node?.stop();
});

type Mutation = readonly [call: number, place: number, value: unknown];
const value = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(null, [], {}, '0x', '0x0', '0x1', -1, 1, '00', `0x${'00'.repeat(32)}`, 'f'.repeat(160)),
  fc.nat(255).map((flip) => ({ flip })),
);
const mutation = fc.tuple(fc.nat(12), fc.nat(400), value);

function liar([call, place, told]: Mutation): SendRpc {
  let calls = 0;
  return async (asked) => {
    const results = await honest(asked);
    const at = call - calls;
    calls += results.length;
    return at >= 0 && at < results.length ? results.with(at, changed(results[at], place, told)) : results;
  };
}

/** Replaces the value at a place somewhere in the answer, or changes a digit of it. */
function changed(result: unknown, place: number, told: unknown): unknown {
  if (typeof result === 'object' && result !== null && place % 7 !== 0) {
    const names = Object.keys(result);
    const name = names[place % names.length];
    if (name === undefined) return told;
    const inner = changed((result as Record<string, unknown>)[name], Math.floor(place / names.length), told);
    return Array.isArray(result) ? result.with(Number(name), inner) : { ...result, [name]: inner };
  }
  if (typeof result !== 'string' || typeof told !== 'object' || told === null || !('flip' in told)) return told;
  const at = Math.min(result.length - 1, 2 + ((Number(told.flip) * 31) % result.length));
  return `${result.slice(0, at)}${result[at] === '5' ? '6' : '5'}${result.slice(at + 1)}`;
}

async function truthOrRefusal(
  read: (send: SendRpc) => Promise<unknown>,
  isTrue: (found: unknown) => void,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(mutation, async (change) => {
      let found: unknown;
      try {
        found = await read(liar(change));
      } catch (error) {
        expect(error).toMatchObject({ name: 'Failure' });
        return;
      }
      isTrue(found);
    }),
    { numRuns: 150 },
  );
}

test('the Safe', async () => {
  await truthOrRefusal(
    (send) => readSafe([send], evm),
    // A node alone may hold newer blocks back, but not make up a nonce.
    (found) => expect(found).toMatchObject({ nonce: 3n }),
  );
});

let runs = 0;
/** Other blocks from height 195 on, each time: what was proven about a block is not asked for again. */
function anotherChain(): string {
  const safeTxHash = (++runs).toString(16).padStart(64, '0');
  node.executions[0] = { height: 195, safeTxHash };
  return safeTxHash;
}

test('executions of the Safe', async () => {
  await truthOrRefusal(
    async (send) => {
      const safeTxHash = anotherChain();
      return [safeTxHash, ...(await readSafeExecutions([send], evm, 190, 200))];
    },
    (found) => {
      const [safeTxHash, ...executions] = found as string[];
      expect(executions).toEqual([safeTxHash]);
    },
  );
});

test('an EVM deposit', async () => {
  await truthOrRefusal(
    async (send) => {
      anotherChain();
      const [block] = await honest([{ method: 'eth_getBlockByNumber', params: ['0xc6', false] }]);
      const { hash } = block as { hash: string };
      return proveEvmDeposit(
        [send],
        evm,
        claimOf({ address: depositor, block_height: 198, block_hash: hash.slice(2) }),
      );
    },
    (found) => expect(found).toBe(7n),
  );
});

test('coins', async () => {
  await truthOrRefusal(
    (send) => {
      const coin = node.addCoin({ script, amountSats: 5n });
      return readBitcoinFacts([send], bitcoin, [{ ...coin, sequence: 0 }]).finally(() => {
        node.coins.delete(`${coin.txid}:${coin.vout}`);
      });
    },
    (found) => {
      const [coin] = (found as { coins: ({ amountSats: bigint; script: string } | null)[] }).coins;
      // null: a node may always say that a coin is spent.
      if (coin) expect(coin).toMatchObject({ amountSats: 5n, script });
    },
  );
});

test('a Bitcoin deposit, and spends', async () => {
  const coin = node.addCoin({ script, amountSats: 5n });
  const spent = node.addCoin({ script, amountSats: 6n });
  const txid = node.addSpend(spent);
  const [hash] = await honest([{ method: 'getblockhash', params: [195] }]);
  const claim = claimOf({ block_height: 195, block_hash: String(hash), outpoint: coin });
  await truthOrRefusal(
    (send) => proveBitcoinDeposit([send], bitcoin, claim, script),
    (found) => expect(found).toBe(5n),
  );
  await truthOrRefusal(
    (send) => readBitcoinSpends([send], 199, 200, (one) => one === script),
    (found) => {
      // Whose outputs were spent is what the endpoints agree on; which transactions there are is proven.
      if ((found as unknown[]).length > 0) expect(found).toEqual([{ txid, height: 200 }]);
    },
  );
});
