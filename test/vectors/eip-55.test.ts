import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { expect, test } from 'vitest';
import vectors from './data/eip-55.json' with { type: 'json' };

const all = [...vectors.allUpper, ...vectors.allLower, ...vectors.normal];

test.each(all)('EIP-55 %s carries its checksum', (address) => {
  expect(parseEvmAddress(address)).toBe(address);
  expect(parseEvmAddress(address.toLowerCase())).toBe(address);
});

test.each(vectors.normal)('EIP-55 %s with any one letter in the other case is refused', (address) => {
  let letters = 0;
  for (const [at, char] of Array.from(address).entries()) {
    if (at < 2 || !/[a-fA-F]/.test(char)) continue;
    const flipped = char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase();
    expect(() => parseEvmAddress(address.slice(0, at) + flipped + address.slice(at + 1))).toThrow(Failure);
    letters++;
  }
  expect(letters).toBeGreaterThan(10);
});
