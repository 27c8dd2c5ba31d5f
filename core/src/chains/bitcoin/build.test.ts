import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Transaction } from '@scure/btc-signer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildBatch, dustLimitSats, finalizeTransaction } from './build.ts';
import { inspectBitcoinTransaction } from './inspect.ts';
import { batchVsize, selectCoins, type Coin } from './select-coins.ts';
import { vsizeOf } from './sighash.ts';

const p2wpkh = (byte: string): string => `0014${byte.repeat(20)}`;
const p2tr = (byte: string): string => `5120${byte.repeat(32)}`;
const changeScript = p2tr('cc');
const coin = (n: number, amountSats: bigint): Coin => ({
  txid: n.toString(16).padStart(64, '0'),
  vout: n % 3,
  amountSats,
});
const signature = new Uint8Array(64).fill(7);

const batches = fc.record({
  coins: fc.uniqueArray(fc.record({ n: fc.nat(10_000), amountSats: fc.bigInt(1_000n, 10n ** 12n) }), {
    minLength: 1,
    maxLength: 40,
    selector: (one) => one.n,
  }),
  payouts: fc.array(
    fc.record({
      byte: fc.constantFrom('11', '22', '33'),
      taproot: fc.boolean(),
      amountSats: fc.bigInt(1_000n, 10n ** 9n),
    }),
    { minLength: 1, maxLength: 60 },
  ),
  feeRateSatVb: fc.double({ min: 0.1, max: 300, noNaN: true }),
});

test('whatever is asked for: pays each payout once, to the satoshi, at no less than the rate', () => {
  fc.assert(
    fc.property(batches, ({ coins: given, payouts: asked, feeRateSatVb }) => {
      const coins = given.map((one) => coin(one.n, one.amountSats));
      const payouts = asked.map((one) => ({
        script: one.taproot ? p2tr(one.byte) : p2wpkh(one.byte),
        amountSats: one.amountSats,
      }));
      const sum = (list: readonly { amountSats: bigint }[]): bigint =>
        list.reduce((total, one) => total + one.amountSats, 0n);
      fc.pre(sum(coins) > sum(payouts) + BigInt(Math.ceil(feeRateSatVb * 6_000)));
      const selected = selectCoins({ coins, payouts, changeScript, feeRateSatVb, inputsMax: 200 });
      const batch = buildBatch({ coins: selected, payouts, changeScript, feeRateSatVb });
      const tx = inspectBitcoinTransaction(batch.rawTx);

      expect(tx.inputs.map((one) => `${one.txid}:${one.vout}`)).toEqual(
        batch.inputs.map((one) => `${one.txid}:${one.vout}`),
      );
      expect(sum(batch.inputs)).toBe(sum(tx.outputs) + batch.feeSats);
      expect(new Set(batch.payoutOutputs).size).toBe(payouts.length);
      payouts.forEach((payout, i) => expect(tx.outputs[batch.payoutOutputs[i] as number]).toEqual(payout));
      expect(tx.outputs).toHaveLength(payouts.length + (batch.changeOutput === null ? 0 : 1));
      if (batch.changeOutput !== null)
        expect(tx.outputs[batch.changeOutput]).toEqual({ script: changeScript, amountSats: batch.changeSats });

      const signed = finalizeTransaction(
        batch.rawTx,
        batch.inputs.map(() => signature),
      );
      expect(signed.vsize).toBe(batch.vsize);
      expect(Number(batch.feeSats)).toBeGreaterThanOrEqual(batch.vsize * feeRateSatVb);
      // Over the rate by no more than a change output that was dust.
      expect(Number(batch.feeSats)).toBeLessThanOrEqual((batch.vsize + 43) * feeRateSatVb + 331);
    }),
    { numRuns: 150, seed: 20_260_801 },
  );
});

test('a second library reads the signed transaction with the same txid and size', () => {
  const batch = buildBatch({
    coins: [coin(1, 50_000n), coin(2, 60_000n)],
    payouts: [{ script: p2wpkh('11'), amountSats: 70_000n }],
    changeScript,
    feeRateSatVb: 2,
  });
  const signed = finalizeTransaction(batch.rawTx, [signature, signature]);
  const read = Transaction.fromRaw(hexToBytes(signed.raw), { allowUnknownInputs: true, allowUnknownOutputs: true });
  expect(read.id).toBe(signed.txid);
  expect(read.vsize).toBe(signed.vsize);
  expect(bytesToHex(read.unsignedTx)).toBe(batch.rawTx);
  expect(inspectBitcoinTransaction(batch.rawTx).txid).toBe(signed.txid);
  expect(vsizeOf(batch.rawTx, [{}, {}])).toBe(signed.vsize);
});

test('is replaceable, of version 2 and without a lock time', () => {
  const batch = buildBatch({
    coins: [coin(1, 50_000n)],
    payouts: [{ script: p2wpkh('11'), amountSats: 10_000n }],
    changeScript,
    feeRateSatVb: 2,
  });
  const tx = inspectBitcoinTransaction(batch.rawTx);
  expect(tx).toMatchObject({ version: 2, lockTime: 0 });
  expect(tx.inputs[0]?.sequence).toBe(0xfffffffd);
});

describe('change', () => {
  const payouts = [{ script: p2wpkh('11'), amountSats: 10_000n }];
  const feeSats = BigInt(batchVsize([{}], [p2wpkh('11'), changeScript]));

  test('of 330 sats is an output', () => {
    const batch = buildBatch({ coins: [coin(1, 10_330n + feeSats)], payouts, changeScript, feeRateSatVb: 1 });
    expect(batch).toMatchObject({ changeSats: 330n, feeSats });
    expect(batch.changeOutput).not.toBeNull();
  });

  test('of 329 sats goes to the fee', () => {
    const batch = buildBatch({ coins: [coin(1, 10_329n + feeSats)], payouts, changeScript, feeRateSatVb: 1 });
    expect(batch).toMatchObject({ changeOutput: null, changeSats: 0n, feeSats: feeSats + 329n });
  });
});

test('the order in which coins and payouts are given does not change the bytes', () => {
  const coins = [coin(3, 40_000n), coin(1, 50_000n)];
  const payouts = [
    { script: p2wpkh('22'), amountSats: 9_000n },
    { script: p2wpkh('11'), amountSats: 9_000n },
  ];
  const one = buildBatch({ coins, payouts, changeScript, feeRateSatVb: 3 });
  const other = buildBatch({ coins: coins.toReversed(), payouts: payouts.toReversed(), changeScript, feeRateSatVb: 3 });
  expect(other.rawTx).toBe(one.rawTx);
});

test('the same payout object twice is paid twice', () => {
  const payout = { script: p2wpkh('11'), amountSats: 9_000n };
  const batch = buildBatch({ coins: [coin(1, 50_000n)], payouts: [payout, payout], changeScript, feeRateSatVb: 1 });
  expect(new Set(batch.payoutOutputs).size).toBe(2);
});

describe('selection', () => {
  const payouts = [{ script: p2wpkh('11'), amountSats: 100_000n }];
  const select = (coins: Coin[], more: { requiredCoins?: Coin[]; inputsMax?: number } = {}) =>
    selectCoins({ coins, payouts, changeScript, feeRateSatVb: 1, inputsMax: 200, ...more });

  test('takes the largest coins and no more than needed', () => {
    expect(select([coin(1, 60_000n), coin(2, 10_000n), coin(3, 70_000n)])).toEqual([
      coin(3, 70_000n),
      coin(1, 60_000n),
    ]);
  });

  test('keeps the required coins, once, even when larger ones would suffice', () => {
    const required = coin(2, 10_000n);
    expect(select([coin(1, 200_000n), required], { requiredCoins: [required] })).toEqual([required, coin(1, 200_000n)]);
  });

  test('does not count a required coin twice when it is the largest', () => {
    const required = coin(1, 90_000n);
    expect(select([required, coin(2, 50_000n)], { requiredCoins: [required] })).toEqual([required, coin(2, 50_000n)]);
  });

  test('refuses when the fee is not covered', () => {
    expect(() => select([coin(1, 100_000n)])).toThrow(expect.objectContaining({ code: 'insufficient-funds' }));
  });

  test('refuses when it would take more inputs than a message may carry', () => {
    const coins = Array.from({ length: 30 }, (_, n) => coin(n, 5_000n));
    expect(select(coins)).toHaveLength(21);
    expect(() => select(coins, { inputsMax: 10 })).toThrow(
      expect.objectContaining({ code: 'insufficient-funds', fix: expect.stringContaining('Consolidate') }),
    );
  });
});

test.each([
  ['P2PKH', `76a914${'00'.repeat(20)}88ac`, 546n],
  ['P2SH', `a914${'00'.repeat(20)}87`, 540n],
  ['P2WPKH', p2wpkh('00'), 294n],
  ['P2WSH', `0020${'00'.repeat(32)}`, 330n],
  ['P2TR', p2tr('00'), 330n],
])('the dust limit of %s is the node’s, and a payout below it is refused', (_kind, script, leastSats) => {
  expect(dustLimitSats(script)).toBe(leastSats);
  const pay = (amountSats: bigint) =>
    buildBatch({ coins: [coin(1, 50_000n)], payouts: [{ script, amountSats }], changeScript, feeRateSatVb: 1 });
  expect(() => pay(leastSats)).not.toThrow();
  expect(() => pay(leastSats - 1n)).toThrow(expect.objectContaining({ code: 'below-minimum' }));
});
