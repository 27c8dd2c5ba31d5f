import {
  decodeSegwit,
  encodeSegwit,
  parseBitcoinAddress,
  witnessScript,
} from '@holdfast/core/chains/bitcoin/address.ts';
import { bitcoinNetworks } from '@holdfast/core/chains/bitcoin/params.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { bech32m } from '@scure/base';
import { expect, test } from 'vitest';
import vectors from './data/bip-350.json' with { type: 'json' };

const prefixes = bitcoinNetworks.map((row) => row.bech32);

test.each(vectors.validBech32m)('BIP-350 bech32m text %s is valid', (text) => {
  expect(bech32m.decodeUnsafe(text)).toBeDefined();
});

test.each(vectors.invalidBech32m)('BIP-350 bech32m text $text is refused: $reason', ({ text }) => {
  expect(bech32m.decodeUnsafe(text)).toBeUndefined();
});

test.each(vectors.validAddresses)('BIP-350 address $address stands for $script', ({ address, script }) => {
  const program = decodeSegwit(address);
  if (!program) throw new Error('not decoded');
  expect(bytesToHex(witnessScript(program))).toBe(script);
  expect(encodeSegwit(program)).toBe(address.toLowerCase());
});

test.each(vectors.invalidAddresses)('BIP-350 address $address is refused: $reason', ({ address }) => {
  const decoded = decodeSegwit(address);
  expect(decoded !== undefined && prefixes.includes(decoded.prefix)).toBe(false);
  for (const params of bitcoinNetworks) expect(() => parseBitcoinAddress(address, params)).toThrow(Failure);
});
