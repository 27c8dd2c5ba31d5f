import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { p2ms, p2wsh, Transaction } from '@scure/btc-signer';
import { describe, expect, test } from 'vitest';
import { buildBatch } from './build.ts';
import { inspectBitcoinTransaction } from './inspect.ts';
import { deriveMultisigAddress, sortedMultisig, type MultisigWallet } from './multisig.ts';
import { bitcoinParams } from './params.ts';
import { vsizeOf } from './sighash.ts';
import { multisigWitness, withWitnesses } from './witness.ts';

const params = bitcoinParams('bip122:0f9188f13cb7b2c71f2a335e3a4fc328');
const publicKeys = [7n, 8n, 9n].map((secret) => secp256k1.Point.BASE.multiplyUnsafe(secret).toBytes(true));
const wallet: MultisigWallet = {
  threshold: 2,
  keys: publicKeys.map((key) => bytesToHex(key)),
  chainCode: new Uint8Array(32).fill(5),
};
const at = (branch: number, index: number) => deriveMultisigAddress(wallet, [branch, index], params);

/** The first test vector of BIP-67. */
test('keys are sorted as BIP-67 sorts them', () => {
  const script = sortedMultisig(2, [
    '02ff12471208c14bd580709cb2358d98975247d8765f92bc25eab3b2763ed605f8',
    '02fe6f0a5a297eb38c391581c4413e084773ea23954d93f7753db7dc0adc188b2f',
  ]);
  expect(bytesToHex(script)).toBe(
    '522102fe6f0a5a297eb38c391581c4413e084773ea23954d93f7753db7dc0adc188b2f2102ff12471208c14bd580709cb2358d98975247d8765f92bc25eab3b2763ed605f852ae',
  );
});

describe('addresses', () => {
  test('change is wsh(sortedmulti), as another library writes it, at every index and in whatever order keys come', () => {
    const sorted = publicKeys.toSorted((a, b) => (bytesToHex(a) < bytesToHex(b) ? -1 : 1));
    const other = p2wsh(p2ms(2, sorted), { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, wif: 0xef });
    expect(at(1, 0).address).toBe(other.address);
    expect(at(1, 0).script).toBe(bytesToHex(other.script));
    expect(at(1, 9)).toEqual(at(1, 0));
    expect(deriveMultisigAddress({ ...wallet, keys: wallet.keys.toReversed() }, [1, 0], params)).toEqual(at(1, 0));
  });

  test('every deposit index has its own, with a tag before the same script', () => {
    const deposits = Array.from({ length: 50 }, (_, index) => at(0, index));
    expect(new Set([at(1, 0), ...deposits].map(({ script }) => script)).size).toBe(51);
    for (const { witnessScript } of deposits) {
      expect(bytesToHex(witnessScript)).toMatch(/^10[0-9a-f]{32}75/);
      expect(witnessScript.subarray(18)).toEqual(at(1, 0).witnessScript);
    }
    const elsewhere = deriveMultisigAddress({ ...wallet, chainCode: new Uint8Array(32).fill(6) }, [0, 0], params);
    expect(elsewhere.script).not.toBe(at(0, 0).script);
    // What was given out once may never change.
    expect(at(0, 0).address).toBe('bcrt1qht6aumulwyy7kayvjuy6qhah3lgmlptplclvprz7g0qspg6cswcqusef85');
  });

  test('a key twice is no wallet', () => {
    const [key = ''] = wallet.keys;
    expect(() => deriveMultisigAddress({ ...wallet, keys: [key, key] }, [1, 0], params)).toThrow('twice');
  });
});

test('a signed batch is as large as it was reckoned, where signatures are as long as they get', () => {
  const own = [at(0, 3), at(1, 0)];
  const coins = own.map(({ witnessBytes }, n) => ({
    txid: `${n + 1}`.repeat(64),
    vout: n,
    amountSats: 100_000n,
    witnessBytes,
  }));
  const built = buildBatch({
    coins,
    payouts: [{ script: `0014${'11'.repeat(20)}`, amountSats: 50_000n }],
    changeScript: at(1, 0).script,
    feeRateSatVb: 2,
  });
  // An r that takes a leading zero, and an s that does not.
  const longest = `f${'0'.repeat(63)}7${'f'.repeat(62)}0`;
  const witnesses = own.map(({ witnessScript }) => multisigWitness(witnessScript, [longest, longest]));
  const signed = Transaction.fromRaw(hexToBytes(withWitnesses(built.rawTx, witnesses)), {
    allowUnknownInputs: true,
    allowUnknownOutputs: true,
  });
  expect(signed.id).toBe(inspectBitcoinTransaction(built.rawTx).txid);
  expect(signed.vsize).toBe(built.vsize);
  expect(vsizeOf(built.rawTx, own)).toBe(built.vsize);
});
