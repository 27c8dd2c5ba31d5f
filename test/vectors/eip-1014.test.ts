import { forwarderAddress } from '@holdfast/core/chains/evm/forwarder.ts';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import vectors from './data/eip-1014.json' with { type: 'json' };

test.each(vectors.examples)(
  'EIP-1014 $address, $salt, $initCode creates $result',
  ({ address, salt, initCode, result }) => {
    const initCodeHash = `0x${bytesToHex(keccak_256(hexToBytes(initCode.slice(2))))}`;
    expect(forwarderAddress({ factory: address, initCodeHash, salt: hexToBytes(salt.slice(2)) })).toBe(result);
  },
);
