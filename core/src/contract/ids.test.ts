import { expect, test } from 'vitest';
import { formatId, formatResourceId, parseId } from './ids.ts';

const uuid = '0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

test('an id is its prefix and its uuid', () => {
  expect(formatId('cus', uuid)).toBe(`cus_${uuid}`);
  expect(parseId('cus', `cus_${uuid}`)).toBe(uuid);
  expect(formatResourceId('withdrawal', uuid)).toBe(`wd_${uuid}`);
});

test.each([
  '',
  'cus_',
  uuid,
  `dep_${uuid}`,
  `cus-${uuid}`,
  `cus_${uuid.toUpperCase()}`,
  `cus_${uuid} `,
  `cus_${uuid.replace('-7', '-4')}`,
  `cus_${uuid}\n`,
])('%j is no customer id: not found in a path, an invalid request elsewhere', (text) => {
  expect(() => parseId('cus', text)).toThrow(expect.objectContaining({ code: 'not-found' }));
  expect(() => parseId('cus', text, '/customer')).toThrow(
    expect.objectContaining({ code: 'invalid-request', pointer: '/customer' }),
  );
});

test('what is no UUIDv7 gets no id', () => {
  expect(() => formatId('cus', 'abc')).toThrow('not a lower-case UUIDv7');
  expect(() => formatResourceId('ship', uuid)).toThrow('no id prefix');
});
