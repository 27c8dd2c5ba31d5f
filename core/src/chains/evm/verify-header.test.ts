import { expect, test } from 'vitest';
import type { EvmBlockAnswer } from './node-answers.ts';
import { headerHash, verifyHeader } from './verify-header.ts';

const word = (digit: string): string => `0x${digit.repeat(64)}`;
const fields: EvmBlockAnswer = {
  hash: word('0'),
  parentHash: word('1'),
  sha3Uncles: word('2'),
  miner: `0x${'3'.repeat(40)}`,
  stateRoot: word('4'),
  transactionsRoot: word('5'),
  receiptsRoot: word('6'),
  logsBloom: `0x${'7'.repeat(512)}`,
  difficulty: '0x0',
  number: '0x8',
  gasLimit: '0x9',
  gasUsed: '0xa',
  timestamp: '0xb',
  extraData: '0xcc',
  mixHash: word('d'),
  nonce: '0x0000000000000000',
  baseFeePerGas: '0x7',
  withdrawalsRoot: word('e'),
  blobGasUsed: '0x0',
  excessBlobGas: '0x0',
  parentBeaconBlockRoot: word('f'),
  requestsHash: word('a'),
};
const block = { ...fields, hash: headerHash(fields) };
const refused = expect.objectContaining({ code: 'node-proof-invalid' });

test('a header with its own hash is read, in any letter case', () => {
  const read = verifyHeader(block);
  expect(read).toMatchObject({ hash: block.hash, number: 8, timeMs: 11_000, stateRoot: word('4') });
  expect(verifyHeader({ ...block, stateRoot: block.stateRoot.toUpperCase().replace('X', 'x') })).toEqual(read);
});

test.each(Object.keys(block) as (keyof EvmBlockAnswer)[])('a header with another %s is refused', (name) => {
  const changed = String(block[name]).replace(/.$/, (digit) => (digit === '1' ? '2' : '1'));
  expect(() => verifyHeader({ ...block, [name]: changed })).toThrow(refused);
});

test('each fork’s fields may be missing with those of later forks, and not otherwise', () => {
  const forks = [
    'requestsHash',
    'parentBeaconBlockRoot',
    'excessBlobGas',
    'blobGasUsed',
    'withdrawalsRoot',
    'baseFeePerGas',
  ] as const;
  const older: EvmBlockAnswer = { ...fields };
  for (const name of forks) {
    const { [name]: _dropped, ...gap } = fields;
    if (name !== 'requestsHash') expect(() => headerHash(gap)).toThrow(refused);
    delete older[name];
    verifyHeader({ ...older, hash: headerHash(older) });
    expect(() => verifyHeader({ ...older, hash: block.hash })).toThrow(refused);
  }
});
