import { bytesToHex } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { forwarderAddress, forwarderSalt } from './forwarder.ts';

const customer = 'cus_01890a5d-ac96-774b-bcce-b302099a8057';

test('every customer and index has its own salt', () => {
  const other = 'cus_01890a5d-ac96-774b-bcce-b302099a8058';
  const salts = [
    forwarderSalt(customer, 0),
    forwarderSalt(customer, 1),
    forwarderSalt(customer, 10),
    forwarderSalt(other, 0),
  ];
  expect(new Set(salts.map((salt) => bytesToHex(salt))).size).toBe(4);
});

test('the salt is fixed for ever: changing it would move every deposit address', () => {
  // keccak256 of the text, computed by an Ethereum node (web3_sha3).
  expect(bytesToHex(forwarderSalt(customer, 0))).toBe(
    'f0075a6e952b5192a01f9b35e278f713fbbbc1c85c5b0539c897f308e4e7f01e',
  );
});

test('an address depends on the factory, the init code and the salt', () => {
  const input = {
    factory: '0x0165878A594ca255338adfa4d48449f69242Eb8F',
    initCodeHash: `0x${'11'.repeat(32)}`,
    salt: forwarderSalt(customer, 0),
  };
  const addresses = [
    forwarderAddress(input),
    forwarderAddress({ ...input, factory: '0xa513E6E4b8f2a923D98304ec87F64353C4D5C853' }),
    forwarderAddress({ ...input, initCodeHash: `0x${'12'.repeat(32)}` }),
    forwarderAddress({ ...input, salt: forwarderSalt(customer, 1) }),
  ];
  expect(new Set(addresses).size).toBe(4);
});

test.each([
  ['cus_1', 0],
  [`${customer}:0`, 0],
  [customer, -1],
  [customer, 1.5],
  [customer, 0x80000000],
])('a salt for %s and %s is refused', (id, index) => {
  expect(() => forwarderSalt(id, index)).toThrow(/not a customer id|out of range/);
});
