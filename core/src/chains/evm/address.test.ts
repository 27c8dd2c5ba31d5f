import { expect, test } from 'vitest';
import { parseEvmAddress } from './address.ts';

const checksummed = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';

test('lower case and upper case digits are accepted and get their checksum', () => {
  expect(parseEvmAddress(checksummed.toLowerCase())).toBe(checksummed);
  expect(parseEvmAddress(`0x${checksummed.slice(2).toUpperCase()}`)).toBe(checksummed);
  expect(parseEvmAddress(checksummed)).toBe(checksummed);
});

test('mixed case must carry the right checksum', () => {
  const wrong = checksummed.replace('5aA', '5Aa');
  expect(() => parseEvmAddress(wrong, '/destination')).toThrow(
    expect.objectContaining({ code: 'invalid-address', pointer: '/destination' }),
  );
});

test.each([
  '',
  '0x',
  checksummed.slice(0, -1),
  `${checksummed}0`,
  checksummed.slice(2),
  `0X${checksummed.slice(2)}`,
  ` ${checksummed}`,
  `${checksummed}\n`,
  'vitalik.eth',
  'TJRabPrwbZy45sbavfcjinPJC18kjpRTv8',
  '0x0000000000000000000000000000000000000000',
])('%j is no address', (text) => {
  expect(() => parseEvmAddress(text)).toThrow(expect.objectContaining({ code: 'invalid-address' }));
});

test('a value that is not text is no address', () => {
  for (const value of [undefined, null, 7, [checksummed], {}]) {
    expect(() => parseEvmAddress(value as string)).toThrow(expect.objectContaining({ code: 'invalid-address' }));
  }
});

test.each([
  '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2',
  '3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy',
  'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn',
  '2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc',
  'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
  'BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4',
  'bcrt1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqvg32hk',
])('%s belongs to another network', (text) => {
  expect(() => parseEvmAddress(text)).toThrow(expect.objectContaining({ code: 'network-mismatch' }));
});
