import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../failure.ts';
import { inspectBitcoinTransaction } from './inspect.ts';

const input = `${'11'.repeat(32)}0100000000fdffffff`;
const otherInput = `${'22'.repeat(32)}0100000000fdffffff`;
const output = `e803000000000000${'16'}0014${'33'.repeat(20)}`;
const raw = (parts: { inputs?: string; outputs?: string; end?: string } = {}): string =>
  `02000000${parts.inputs ?? `01${input}`}${parts.outputs ?? `01${output}`}${parts.end ?? '00000000'}`;

test('reads every field', () => {
  const tx = inspectBitcoinTransaction(
    raw({ inputs: `02${input}${otherInput}`, outputs: `02${output}${output}`, end: '07000000' }),
  );
  expect(tx).toMatchObject({ version: 2, lockTime: 7 });
  expect(tx.inputs).toEqual([
    { txid: '11'.repeat(32), vout: 1, sequence: 0xfffffffd },
    { txid: '22'.repeat(32), vout: 1, sequence: 0xfffffffd },
  ]);
  const paid = { script: `0014${'33'.repeat(20)}`, amountSats: 1_000n };
  expect(tx.outputs).toEqual([paid, paid]);
});

describe('refuses', () => {
  const segwit = `020000000001${'01'}${input}01${output}0140${'00'.repeat(64)}00000000`;
  test.each([
    ['text that is not hex', 'not lower-case hex', 'zz'],
    ['upper-case hex', 'not lower-case hex', raw().replace(/fd/g, 'FD')],
    ['an odd number of digits', 'not lower-case hex', raw().slice(1)],
    ['nothing', 'truncated', ''],
    ['a byte too few', 'truncated', raw().slice(0, -2)],
    ['a byte too many', '1 bytes after the end', `${raw()}00`],
    ['a witness', 'or a witness is attached', segwit],
    ['no inputs', 'no inputs', raw({ inputs: '00' })],
    ['no outputs', 'no outputs', raw({ outputs: '00' })],
    ['a count that is not in its shortest form', 'shortest form', raw({ inputs: `fd0100${input}` })],
    [
      'a script length that is not in its shortest form',
      'shortest form',
      raw({ outputs: `01e803000000000000fd16000014${'33'.repeat(20)}` }),
    ],
    ['a count of 2^32 - 1', '4294967295 inputs', raw({ inputs: `feffffffff${input}` })],
    ['a 64-bit count', 'a count above 2^32', raw({ inputs: `ff0100000000000000${input}` })],
    ['a coin spent twice', 'a coin is spent twice', raw({ inputs: `02${input}${input}` })],
    ['a scriptSig', 'a scriptSig', raw({ inputs: `01${'11'.repeat(32)}010000000151fdffffff` })],
    ['an input that names no coin', 'names no coin', raw({ inputs: `01${'00'.repeat(32)}ffffffff00fdffffff` })],
    ['an amount above 21 million coins', 'sats', raw({ outputs: `010140075af0750700${'16'}0014${'33'.repeat(20)}` })],
    [
      'amounts that add up above 21 million coins',
      'sats',
      raw({ outputs: `02${`0040075af0750700160014${'33'.repeat(20)}`.repeat(2)}` }),
    ],
  ])('%s', (_what, reason, bytes) => {
    let thrown: unknown;
    try {
      inspectBitcoinTransaction(bytes);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Failure);
    expect((thrown as Failure).code).toBe('transaction-malformed');
    expect((thrown as Failure).message).toContain(reason);
  });

  test('every truncation of a transaction', () => {
    for (let end = 0; end < raw().length; end += 2) {
      expect(() => inspectBitcoinTransaction(raw().slice(0, end))).toThrow(Failure);
    }
  });
});

test('accepts the largest amount', () => {
  const tx = inspectBitcoinTransaction(raw({ outputs: `010040075af0750700160014${'33'.repeat(20)}` }));
  expect(tx.outputs[0]?.amountSats).toBe(2_100_000_000_000_000n);
});

test('random and mutated bytes give a refusal or a transaction that encodes to them', () => {
  const whole = raw({ inputs: `02${input}${otherInput}`, outputs: `02${output}${output}` });
  const hex = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('hex'));
  const half = whole.length / 2;
  const mutated = fc
    .tuple(fc.nat(half), fc.nat(half), hex)
    .map(([a, b, between]) => `${whole.slice(0, 2 * a)}${between}${whole.slice(2 * b)}`);
  fc.assert(
    fc.property(fc.oneof(fc.string(), hex, mutated), (text) => {
      try {
        const tx = inspectBitcoinTransaction(text);
        expect(tx.inputs.length * tx.outputs.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toMatchObject({ name: 'Failure', code: 'transaction-malformed' });
      }
    }),
    { numRuns: 1_000 },
  );
});
