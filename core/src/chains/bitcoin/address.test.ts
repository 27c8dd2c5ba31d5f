import { describe, expect, test } from 'vitest';
import { Failure } from '../../failure.ts';
import { parseBitcoinAddress } from './address.ts';
import { bitcoinParams } from './params.ts';

const mainnet = bitcoinParams('bip122:000000000019d6689c085ae165831e93');
const regtest = bitcoinParams('bip122:0f9188f13cb7b2c71f2a335e3a4fc328');

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('accepts and gives the script of', () => {
  test.each([
    ['P2PKH', '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa', '76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac'],
    ['P2SH', '3P14159f73E4gFr7JterCCQh9QjiTjiZrG', 'a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87'],
    ['P2WPKH', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', '0014751e76e8199196d454941c45d1b3a323f1433bd6'],
    [
      'P2WSH',
      'bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3',
      '00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262',
    ],
    [
      'P2TR',
      'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0',
      '512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
    ],
  ])('%s', (_kind, address, script) => {
    expect(parseBitcoinAddress(address, mainnet)).toEqual({ address, script });
  });

  test('an upper-case segwit address, in lower case', () => {
    expect(parseBitcoinAddress('BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4', mainnet).address).toBe(
      'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
    );
  });
});

describe('refuses', () => {
  test.each([
    ['a wrong bech32 checksum', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5', 'invalid-address'],
    ['bech32 instead of bech32m', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd', 'invalid-address'],
    ['mixed case', 'bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'invalid-address'],
    ['a wrong Base58 checksum', '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb', 'invalid-address'],
    ['a witness version without rules', 'bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs', 'invalid-address'],
    ['version 1 with 2 bytes', 'bc1pfeessrawgf', 'invalid-address'],
    ['nothing', '', 'invalid-address'],
    ['a surrounding space', ' bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'invalid-address'],
    ['a long text', 'b'.repeat(10_000), 'invalid-address'],
    ['a testnet segwit address', 'tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7', 'network-mismatch'],
    ['a Litecoin segwit address', 'ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9', 'network-mismatch'],
    ['a testnet P2PKH address', 'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn', 'network-mismatch'],
    ['an EVM address', '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045', 'network-mismatch'],
  ])('%s', (_what, address, code) => {
    expect(codeOf(() => parseBitcoinAddress(address, mainnet))).toBe(code);
  });

  test('a mainnet address on regtest, naming the field', () => {
    const parse = () => parseBitcoinAddress('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', regtest, '/destination');
    expect(parse).toThrow(expect.objectContaining({ code: 'network-mismatch', pointer: '/destination' }));
  });
});

test('an unknown network has no parameters', () => {
  expect(codeOf(() => bitcoinParams('bip122:00000000000000000000000000000000'))).toBe('unknown-network');
});
