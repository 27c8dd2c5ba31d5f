import { expect, test } from 'vitest';
import { compactTarget } from './compact-target.ts';

// Bitcoin Core, src/test/arith_uint256_tests.cpp, bignum_SetCompact.
test.each([
  ['00000000', null],
  ['00123456', null],
  ['01003456', null],
  ['01123456', 0x12n],
  ['02123456', 0x1234n],
  ['03123456', 0x123456n],
  ['04123456', 0x12345600n],
  ['04923456', null],
  ['20123456', 0x123456n << 232n],
  ['ff123456', null],
  ['1d00ffff', 0xffffn << 208n],
  ['207fffff', 0x7fffffn << 232n],
])('reads %s', (bits, target) => {
  expect(compactTarget(bits)).toBe(target);
});
