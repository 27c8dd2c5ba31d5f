import { Failure } from '@holdfast/core/failure.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseMessage } from './parse-message.ts';

const bytes = (text: string) => Buffer.from(text, 'utf8');

test('reads what JSON.parse reads, whatever is in the strings', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'grapheme' }), fc.nat(2), (value, space) => {
      const text = JSON.stringify(value, null, space);
      expect(parseMessage(bytes(text))).toEqual(JSON.parse(text));
    }),
  );
});

test.each([
  '{"a":{"x":1},"b":{"x":2}}',
  '[{"a":1},{"a":2}]',
  '{"a":"b","b":"a","c":["a","a"]}',
  String.raw`{"\"a\\":1,"a":2}`,
  String.raw`"\ud83d\ude00"`,
  ` {"a": [1 , {"b" :"}{][,:"}] ,"c":0}\n`,
  '['.repeat(32) + ']'.repeat(32),
])('reads %s', (text) => {
  expect(parseMessage(bytes(text))).toEqual(JSON.parse(text));
});

test.each<[string, Uint8Array]>([
  ['a name twice', bytes('{"a":1,"b":2,"a":1}')],
  ['a name twice, once written otherwise', bytes(String.raw`{"a":1,"\u0061":2}`)],
  ['a name twice further in', bytes('[{"x":[{"a":{},"a":{}}]}]')],
  ['a lone surrogate', bytes(String.raw`{"a":"\ud800"}`)],
  ['a lone surrogate in a name', bytes(String.raw`{"\udc00":1}`)],
  ['a byte that is no UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
  ['an overlong form', Uint8Array.of(0x22, 0xc1, 0x81, 0x22)],
  ['a surrogate in UTF-8', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)],
  ['a byte order mark', Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)],
  ['deep nesting', bytes('['.repeat(33) + ']'.repeat(33))],
  ['very deep nesting', bytes('{"a":'.repeat(170_000) + '1' + '}'.repeat(170_000))],
  ['no end', bytes('{"a":1')],
  ['two values', bytes('{}{}')],
  ['nothing', bytes('')],
])('refuses %s', (_, body) => {
  expect(() => parseMessage(body)).toThrow(expect.objectContaining({ code: 'invalid-request' }));
});

test('refuses or reads any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (body) => {
      try {
        parseMessage(body);
      } catch (error) {
        expect(error).toBeInstanceOf(Failure);
      }
    }),
  );
});
