import { randomBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { runInThisContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ImpureCallError, installPurityTraps } from './purity-traps.ts';

const folder = '/planted/core/src';
let removeTraps: () => void;

beforeEach(() => {
  removeTraps = installPurityTraps(folder);
});
afterEach(() => removeTraps());

/** A function whose source lies, as far as the engine knows, at the given path. */
function plant(body: string, path = `${folder}/ledger/planted.ts`): (input?: unknown) => unknown {
  return runInThisContext(`(input) => ${body}`, { filename: path }) as (input?: unknown) => unknown;
}

const impure = [
  'Date.now()',
  'new Date()',
  'Date()',
  'Math.random()',
  'setTimeout(() => {}, 1)',
  'setInterval(() => {}, 1000)',
  'setImmediate(() => {})',
  `fetch('http://127.0.0.1:9')`,
  'performance.now()',
  'crypto.getRandomValues(new Uint8Array(8))',
  'crypto.randomUUID()',
  `crypto.subtle.generateKey('Ed25519', false, ['sign'])`,
];

describe('code of the guarded folder', () => {
  test.each(impure)('cannot call %s', (body) => {
    expect(plant(body)).toThrow(ImpureCallError);
    expect(plant(body)).toThrow(/core is pure: .*planted\.ts/);
  });

  test('cannot reach randomness through a library', () => {
    expect(() => plant('input(8)')(randomBytes)).toThrow('core is pure: crypto.getRandomValues()');
  });

  test('cannot reach the clock after an await', async () => {
    const later = plant('(async () => { await null; return Date.now(); })()');
    await expect(later()).rejects.toThrow(ImpureCallError);
  });

  test('cannot reach the clock from a test file or inside a property', () => {
    expect(plant('Date.now()', `${folder}/ledger/planted.test.ts`)).toThrow(ImpureCallError);
    const clock = plant('Date.now()');
    const { errorInstance } = fc.check(fc.property(fc.integer(), () => clock() !== 0));
    expect(errorInstance).toBeInstanceOf(ImpureCallError);
  });

  test('may make dates of given times and compute', () => {
    expect(plant('new Date(0).toISOString()')()).toBe('1970-01-01T00:00:00.000Z');
    expect(plant('new Date(0) instanceof Date')()).toBe(true);
    expect(plant('Date.UTC(1970, 0, 2) + Math.max(1, 2)')()).toBe(86_400_002);
  });
});

describe('everybody else', () => {
  test.each(impure.slice(0, 4))('may call %s', (body) => {
    expect(plant(body, '/planted/server/src/job.ts')).not.toThrow();
  });

  test('gets the originals back when the traps go', () => {
    removeTraps();
    expect(plant('Date.now()')).not.toThrow();
    expect(plant('crypto.randomUUID()')).not.toThrow();
  });
});
