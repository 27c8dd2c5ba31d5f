import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fingerprintTable } from './fingerprint-table.ts';

const key = new Uint8Array(16).fill(7);

test('holds what was added, through every growth, and strangers hardly ever', () => {
  const table = fingerprintTable(key, 0);
  const first = table.bytes;
  for (let i = 0; i < 50_000; i++) {
    table.add(`member ${i}`);
    // One of before, wherever the growth under way has got to.
    expect(table.mayHold(`member ${(i * 7_919) % (i + 1)}`)).toBe(true);
  }
  expect(table.size).toBe(50_000);
  expect(table.bytes).toBeGreaterThan(16 * first);
  for (let i = 0; i < 50_000; i++) {
    if (!table.mayHold(`member ${i}`)) expect.fail(`member ${i} is missing`);
    if (table.mayHold(`stranger ${i}`)) expect.fail(`stranger ${i} is taken for a member`);
  }
});

test('room for what is expected is made at once', () => {
  const table = fingerprintTable(key, 10_000);
  const before = table.bytes;
  for (let i = 0; i < 10_000; i++) table.add(`${i}`);
  expect(table.bytes).toBe(before);
});

test('behaves as a set of texts', () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[0-9a-f]{0,70}$/)),
      fc.stringMatching(/^[0-9a-f]{0,70}$/),
      (members, asked) => {
        const table = fingerprintTable(key, 0);
        for (const member of members) table.add(`<${member}>`, 1, member.length + 1);
        expect(table.size).toBe(new Set(members).size);
        expect(members.every((member) => table.mayHold(member))).toBe(true);
        expect(table.mayHold(asked)).toBe(members.includes(asked));
      },
    ),
  );
});
