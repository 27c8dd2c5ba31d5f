import { secp256k1 } from '@noble/curves/secp256k1.js';
import { base64 } from '@scure/base';
import { OutScript, p2ms, p2tr_ms, p2wsh, TEST_NETWORK, Transaction } from '@scure/btc-signer';
import { RawOldTx, RawTx } from '@scure/btc-signer/script.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { coldLeafScript, deriveWalletAddress } from '../chains/bitcoin/derive-address.ts';
import { sampleSetup } from './bitcoin.test-support.ts';
import { buildRecoveryPsbt, buildRefillPsbt } from './build-psbt.ts';
import { coldWallet } from './cold-wallet.ts';
import { deriveMultisigAddress } from '../chains/bitcoin/multisig.ts';
import { canonicalText } from './parse-canonical.ts';
import { inspectBitcoinRecovery, inspectBitcoinRefill } from './inspect-bitcoin.ts';
import { parseSetup } from './parse-setup.ts';
import type { ColdSetup } from './setup.ts';

const setup = sampleSetup();
const wallet = coldWallet(setup);
const hotWallet = wallet.hot!;

/** A transaction with witnesses, which the PSBT leaves away, whose output 1 is the coin. */
function payment(script: string, amount: bigint, seed: number): string {
  const bytes = RawTx.encode({
    version: 2,
    segwitFlag: true,
    inputs: [{ txid: new Uint8Array(32).fill(seed), index: 0, finalScriptSig: new Uint8Array(), sequence: 0xffffffff }],
    outputs: [
      { amount: 777n, script: hexToBytes(`0014${'33'.repeat(20)}`) },
      { amount, script: hexToBytes(script) },
    ],
    witnesses: [[new Uint8Array(64).fill(1)]],
    lockTime: 0,
  });
  return bytesToHex(bytes);
}

const draft = (...amounts: bigint[]) => ({
  network: wallet.setup.network,
  coins: amounts.map((amount, at) => ({ raw: payment(wallet.script, amount, at + 1), vout: 1 })),
  amount_sats: '150000',
  hot_index: 3,
  fee_rate_sat_vb: 4,
});

test('the cold script is what another library makes of the keys in the order of BIP-67', () => {
  const made = p2wsh(p2ms(3, wallet.keys.map(hexToBytes)), { ...TEST_NETWORK, bech32: 'bcrt' });
  expect([wallet.address, wallet.script]).toEqual([made.address, bytesToHex(made.script)]);
  expect(bytesToHex(wallet.witnessScript)).toBe(bytesToHex(made.witnessScript ?? new Uint8Array()));
});

describe('a refill', () => {
  const payload = buildRefillPsbt(draft(100_000n, 90_000n), setup);

  test('reads in another library as the same coins and outputs', () => {
    const other = Transaction.fromPSBT(base64.decode(payload.psbt));
    expect([other.inputsLength, other.outputsLength]).toEqual([2, 2]);
    expect(other.getOutput(0)).toMatchObject({ amount: 150_000n });
    expect(bytesToHex(other.getOutput(1).script ?? new Uint8Array())).toBe(wallet.script);
    expect(OutScript.decode(other.getOutput(0).script ?? new Uint8Array()).type).toBe('tr');
  });

  test('has the sighashes that another library computes (BIP-143)', () => {
    const other = Transaction.fromPSBT(base64.decode(payload.psbt));
    const { hashes, spends } = inspectBitcoinRefill(payload, setup);
    expect(hashes.map(({ scheme }) => scheme)).toEqual(['ecdsa', 'ecdsa']);
    [100_000n, 90_000n].forEach((amount, at) => {
      expect(bytesToHex(hashes[at]?.hash ?? new Uint8Array())).toBe(
        bytesToHex(other.preimageWitnessV0(at, wallet.witnessScript, 1, amount)),
      );
    });
    expect(new Set(spends).size).toBe(2);
  });

  test('without change where it would be dust pays the rest as fee', () => {
    const exact = buildRefillPsbt({ ...draft(151_500n), fee_rate_sat_vb: 7 }, setup);
    expect(Transaction.fromPSBT(base64.decode(exact.psbt)).outputsLength).toBe(1);
    expect(inspectBitcoinRefill(exact, setup).lines.map(([label]) => label)).not.toContain('change');
  });

  /** The PSBT with one thing changed by another library. */
  const changed = (change: (tx: Transaction) => void): { psbt: string; paths: typeof payload.paths } => {
    const tx = Transaction.fromPSBT(base64.decode(payload.psbt), { allowUnknown: true });
    change(tx);
    return { ...payload, psbt: base64.encode(tx.toPSBT(0)) };
  };
  const witnessUtxo = (amount: bigint) => ({ amount, script: hexToBytes(wallet.script) });
  const refusals: readonly (readonly [what: string, code: string, (tx: Transaction) => void])[] = [
    ['another sighash type', 'transaction-malformed', (tx) => tx.updateInput(1, { sighashType: 0x81 }, true)],
    [
      'a signature',
      'transaction-malformed',
      (tx) =>
        tx.updateInput(0, { partialSig: [[hexToBytes(wallet.keys[0] ?? ''), new Uint8Array(71).fill(0x30)]] }, true),
    ],
    ['another sequence', 'transaction-malformed', (tx) => tx.updateInput(0, { sequence: 5 }, true)],
    [
      'an output more',
      'output-unaccounted',
      (tx) => void tx.addOutput({ amount: 1n, script: hexToBytes(`0014${'44'.repeat(20)}`) }, true),
    ],
    [
      'two outputs more',
      'output-unaccounted',
      (tx) => {
        for (const at of [1, 1]) tx.addOutput({ amount: 330n, script: tx.getOutput(at).script as Uint8Array }, true);
      },
    ],
    ['more paid than spent', 'transaction-malformed', (tx) => tx.updateOutput(0, { amount: 900_000n }, true)],
    ['a fee above the bounds', 'fee-too-high', (tx) => tx.updateOutput(1, { amount: 10n }, true)],
  ];
  test.each(refusals)('with %s is refused', (_what, code, change) => {
    expect(() => inspectBitcoinRefill(changed(change), setup)).toThrow(expect.objectContaining({ code }) as Error);
  });

  const previous = bytesToHex(RawOldTx.encode(RawTx.decode(hexToBytes(draft(100_000n).coins[0]?.raw ?? ''))));
  /** The PSBT with a field more in its first input. */
  const withField = (field: string): typeof payload => {
    const hex = bytesToHex(base64.decode(payload.psbt));
    expect(hex.split(previous)).toHaveLength(2);
    return { ...payload, psbt: base64.encode(hexToBytes(hex.replace(previous, previous + field))) };
  };
  test.each([
    ['a witness output with another amount', `01012ba18601000000000022${wallet.script}`],
    ['a witness output with another script', `01012ba086010000000000220020${'ab'.repeat(32)}`],
    ['another witness script', '01050151'],
    ['a field twice', '0103040100000001030401000000'],
    ['a derivation', `2206${wallet.keys[0]}0400000000`],
    ['a proprietary field', '03fc010a0102'],
    ['a finished witness', '01080100'],
    ['a field that reaches beyond the end', '0104fdffff'],
  ])('with %s is refused', (_what, field) => {
    const malformed = expect.objectContaining({ code: 'transaction-malformed' }) as Error;
    expect(() => inspectBitcoinRefill(withField(field), setup)).toThrow(malformed);
    expect(inspectBitcoinRefill(withField('010304' + '01000000'), setup).lines).not.toEqual([]);
  });

  test('to a deposit address of the hot wallet is refused: it would be credited to a customer', () => {
    const deposit = deriveWalletAddress(hotWallet, [0, 3], wallet.params);
    const to = changed((tx) => tx.updateOutput(0, { script: hexToBytes(deposit.script) }, true));
    const refill = { ...to, paths: [[0, 3]] as [0, number][] };
    expect(() => inspectBitcoinRefill(refill, setup)).toThrow("path 0/3 is a customer's deposit address");
  });

  test('with another previous transaction, which says that the coin is larger, is refused', () => {
    const larger = bytesToHex(RawOldTx.encode(RawTx.decode(hexToBytes(payment(wallet.script, 900_000n, 1)))));
    const hex = bytesToHex(base64.decode(payload.psbt)).replace(previous, larger);
    const psbt = base64.encode(hexToBytes(hex));
    expect(() => inspectBitcoinRefill({ ...payload, psbt }, setup)).toThrow('the transaction that comes with it is');
  });

  test('with the fields that a wallet adds, if they say the truth, is the same', () => {
    const same = changed((tx) => {
      tx.updateInput(
        0,
        { witnessUtxo: witnessUtxo(100_000n), witnessScript: wallet.witnessScript, sighashType: 1 },
        true,
      );
      tx.updateOutput(1, { witnessScript: wallet.witnessScript }, true);
    });
    expect(inspectBitcoinRefill(same, setup)).toEqual(inspectBitcoinRefill(payload, setup));
  });
});

describe('a recovery', () => {
  const paths = [
    [0, 5],
    [1, 2],
  ] as const;
  const hot = paths.map((path) => deriveWalletAddress(hotWallet, path, wallet.params));
  const coins = hot.map(({ script }, at) => ({
    raw: payment(script, 50_000n, at + 9),
    vout: 1,
    path: [...(paths[at] as [0 | 1, number])] as [0 | 1, number],
  }));
  const payload = buildRecoveryPsbt({ network: wallet.setup.network, coins, fee_rate_sat_vb: 3 }, setup);

  test('has the leaf and the sighashes that another library makes (BIP-342)', () => {
    const other = Transaction.fromPSBT(base64.decode(payload.psbt));
    const { hashes, lines } = inspectBitcoinRecovery(payload, setup);
    const leaf = coldLeafScript(hotWallet.coldKeys);
    const keys = hotWallet.coldKeys
      .map((key) => bytesToHex(key))
      .toSorted()
      .map((key) => hexToBytes(key));
    expect(bytesToHex(p2tr_ms(3, keys).script)).toBe(bytesToHex(leaf));
    hot.forEach((_address, at) => {
      const scripts = hot.map(({ script }) => hexToBytes(script));
      const hash = other.preimageWitnessV1(at, scripts, 0, [50_000n, 50_000n], undefined, leaf, 0xc0);
      expect(bytesToHex(hashes[at]?.hash ?? new Uint8Array())).toBe(bytesToHex(hash));
    });
    expect(lines.filter(([label]) => label === 'pays').map(([, text]) => text)).toEqual([
      expect.stringContaining(wallet.address),
    ]);
  });

  test('of coins that are not at the paths, or to anywhere but cold, is refused', () => {
    const swapped = { ...payload, paths: payload.paths.toReversed() };
    expect(() => inspectBitcoinRecovery(swapped, setup)).toThrow('is not at the hot address of path 1/2');
    expect(() => inspectBitcoinRecovery({ ...payload, paths: payload.paths.slice(1) }, setup)).toThrow(
      '2 coins and 1 paths',
    );
    const tx = Transaction.fromPSBT(base64.decode(payload.psbt));
    tx.updateOutput(0, { script: hexToBytes(hot[0]?.script ?? '') }, true);
    expect(() => inspectBitcoinRecovery({ ...payload, psbt: base64.encode(tx.toPSBT(0)) }, setup)).toThrow('not cold');
  });
});

describe('a hot wallet of the signers’ own keys', () => {
  // 7, 8 and 9 times the generator.
  const keys = [7n, 8n, 9n].map((k) => bytesToHex(secp256k1.Point.BASE.multiplyUnsafe(k).toBytes(true)));
  const ofKeys: ColdSetup = {
    ...setup,
    bitcoin: { ...setup.bitcoin!, hot: { kind: 'wsh-sortedmulti', threshold: 2, keys } },
  };
  const named = { threshold: 2, keys, chainCode: new Uint8Array(32) };
  const signers = deriveMultisigAddress(named, [1, 0], wallet.params);

  test('is refilled at the one address that the signers derive for change', () => {
    expect(parseSetup(canonicalText(ofKeys))).toEqual(ofKeys);
    const refill = buildRefillPsbt(draft(100_000n, 90_000n), ofKeys);
    const { lines } = inspectBitcoinRefill(refill, ofKeys);
    expect(lines.filter(([label]) => label === 'pays').map(([, text]) => text)).toEqual([
      expect.stringContaining(signers.address),
    ]);
    // A machine that pins the FROST key reads the same bytes as a payment to a stranger.
    expect(() => inspectBitcoinRefill(refill, setup)).toThrow(expect.objectContaining({ code: 'output-unaccounted' }));
  });

  test('has no leaf by which custodians recover it', () => {
    const coins = [{ raw: payment(signers.script, 100_000n, 1), vout: 1, path: [1, 0] as [0 | 1, number] }];
    const recovery = buildRecoveryPsbt({ network: wallet.setup.network, coins, fee_rate_sat_vb: 4 }, ofKeys);
    expect(() => inspectBitcoinRecovery(recovery, ofKeys)).toThrow(expect.objectContaining({ code: 'input-not-ours' }));
  });

  test.each([
    ['one key twice', { keys: [keys[0]!, keys[0]!, keys[1]!] }, 'stands there twice'],
    ['a key that is none', { keys: [keys[0]!, keys[1]!, `02${'0'.repeat(63)}5`] }, 'no public key'],
    ['fewer signatures than two quorums share', { threshold: 1 }, '1 of 3'],
    ['more signatures than keys', { threshold: 4 }, '4 of 3'],
  ])('is no setup with %s', (_, change, said) => {
    const message: unknown = expect.stringContaining(said);
    const hot = { kind: 'wsh-sortedmulti' as const, threshold: 2, keys, ...change };
    const text = canonicalText({ ...setup, bitcoin: { ...setup.bitcoin!, hot } });
    expect(() => parseSetup(text)).toThrow(expect.objectContaining({ code: 'cold-setup-invalid', message }));
  });
});
