import fc from 'fast-check';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A way to bend a valid message: `place` chooses the value, `turn` what happens to it. */
export interface Mutation {
  readonly name: string;
  readonly place: number;
  readonly turn: number;
  readonly junk: unknown;
}

type Bend = (value: Json, mutation: Mutation) => Json | undefined;

const hexText = /^(0x)?([0-9a-f]{2})+$/;
const isObject = (value: Json): value is { [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Changes of one value of the message; undefined when the change does not apply to it. */
const bends: Record<string, Bend> = {
  junk: (_, { junk }) => junk as Json,
  'hex upper case': (value) => (typeof value === 'string' ? value.toUpperCase() : undefined),
  'hex with 0x': (value) => (typeof value === 'string' ? `0x${value}` : undefined),
  'leading zeros': (value) => (typeof value === 'string' ? `00${value}` : undefined),
  'sign and space': (value, { turn }) =>
    typeof value === 'string' ? `${['+', '-', ' '][turn % 3] ?? ''}${value}` : undefined,
  'string as number': (value) =>
    typeof value === 'string' && Number.isFinite(Number(value)) ? Number(value) : undefined,
  'number as string': (value) => (typeof value === 'number' ? String(value) : undefined),
  'another number': (value, { turn }) =>
    typeof value === 'number'
      ? [value + 1, value - 1, -value - 1, value + 0.5, 2 ** 53, 1e21, 0x8000_0000][turn % 7]
      : undefined,
  'changed byte': (value, { turn }) => {
    if (typeof value !== 'string' || value.length === 0) return undefined;
    const at = turn % value.length;
    const digit = hexText.test(value) ? '0123456789abcdef'[(turn >>> 8) % 16] : String.fromCodePoint(turn % 0x250);
    return `${value.slice(0, at)}${digit}${value.slice(at + 1)}`;
  },
  'bytes put in': (value, { turn }) => {
    if (typeof value !== 'string') return undefined;
    const at = 2 * (turn % (value.length / 2 + 1));
    return `${value.slice(0, at)}${['00', 'ff', 'fd0000', 'feffffffff', '01'.repeat(32)][turn % 5]}${value.slice(at)}`;
  },
  'bytes taken out': (value, { turn }) => {
    if (typeof value !== 'string' || value.length < 2) return undefined;
    const at = 2 * (turn % (value.length / 2));
    return value.slice(0, at) + value.slice(at + 2 * (1 + (turn % 3)));
  },
  'cut off': (value, { turn }) =>
    typeof value === 'string' && value.length > 0 ? value.slice(0, turn % value.length) : undefined,
  'much longer': (value) => (typeof value === 'string' ? value + value.slice(-2).repeat(200_000) : undefined),
  'strange characters': (value, { turn }) =>
    typeof value === 'string'
      ? value + (['\0', '\u{200b}', '\u{202e}', 'é', '\u{1f600}', '\n', '\ud800'][turn % 7] ?? '')
      : undefined,
  'member twice': (value, { turn }) =>
    Array.isArray(value) && value.length > 0 ? [...value, value[turn % value.length] as Json] : undefined,
  'member left out': (value, { turn }) =>
    Array.isArray(value) && value.length > 0 ? value.toSpliced(turn % value.length, 1) : undefined,
  'other order': (value) => (Array.isArray(value) ? value.toReversed() : undefined),
  'many members': (value) => (Array.isArray(value) ? Array.from({ length: 2_000 }, () => value[0] ?? null) : undefined),
  'object of an array': (value) => (Array.isArray(value) ? Object.fromEntries(value.entries()) : undefined),
  'array of it': (value) => [value],
  'a property more': (value, { turn, junk }) =>
    isObject(value)
      ? JSON.parse(`{${JSON.stringify(extraNames[turn % 5])}:${JSON.stringify(junk) ?? 'null'},${rest(value)}`)
      : undefined,
  'a property less': (value, { turn }) => {
    const names = isObject(value) ? Object.keys(value) : [];
    const gone = names[turn % names.length];
    if (!isObject(value) || gone === undefined) return undefined;
    return Object.fromEntries(Object.entries(value).filter(([name]) => name !== gone));
  },
  'a property renamed': (value, { turn }) => {
    const names = isObject(value) ? Object.keys(value) : [];
    const other = names[turn % names.length];
    if (!isObject(value) || other === undefined) return undefined;
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [name === other ? name.toUpperCase() : name, one]),
    );
  },
  'values exchanged': (value, { turn }) => {
    const names = isObject(value) ? Object.keys(value) : [];
    const [a, b] = [names[turn % names.length], names[(turn >>> 5) % names.length]];
    if (!isObject(value) || a === undefined || b === undefined) return undefined;
    return { ...value, [a]: value[b] as Json, [b]: value[a] as Json };
  },
};
const extraNames = ['extra', '__proto__', 'constructor', 'toJSON', ''];

function rest(value: { [name: string]: Json }): string {
  const text = JSON.stringify(value).slice(1);
  return text === '}' ? '"more":null}' : text;
}

/** Changes of the whole text. */
const spoils: Record<string, (text: string, mutation: Mutation) => string | Uint8Array> = {
  'as it is': (text) => text,
  'spaces in it': (text) => JSON.stringify(JSON.parse(text), null, 3).replaceAll('\n', '\r\n\t'),
  'names in another order': (text) => JSON.stringify(reversed(JSON.parse(text) as Json)),
  'characters escaped': (text) =>
    text.replaceAll(/(?<=[a-z])[a-z0-9]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'numbers with exponents': (text) => text.replaceAll(/(?<=[:[,])([0-9]+)(?=[,\]}])/g, '$1.0e0'),
  'numbers too large': (text) => text.replaceAll(/(?<=[:[,])([0-9]+)(?=[,\]}])/g, '$1e999'),
  'numbers with leading zeros': (text) => text.replaceAll(/(?<=[:[,])([0-9]+)(?=[,\]}])/g, '0$1'),
  'a name twice': (text, { turn }) => {
    const names = [...text.matchAll(/"[a-z_]+":/g)];
    const name = names[turn % names.length];
    return name ? `${text.slice(0, name.index)}${name[0]}null,${text.slice(name.index)}` : `${text}{}`;
  },
  truncated: (text, { turn }) => text.slice(0, turn % Math.max(1, text.length)),
  'a byte changed': (text, { turn }) => {
    const bytes = Buffer.from(text);
    if (bytes.length > 0) bytes[turn % bytes.length] = (turn >>> 8) & 0xff;
    return bytes;
  },
  'no UTF-8': (text, { turn }) => {
    const at = turn % (text.length + 1);
    const wrong = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]][turn % 4] ?? [];
    return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from(wrong), Buffer.from(text.slice(at))]);
  },
  'a byte order mark': (text) => `\u{feff}${text}`,
  'UTF-16': (text) => Buffer.from(text, 'utf16le'),
  'something behind it': (text, { turn }) => text + (['}', '{}', 'null', '\0', ','][turn % 5] ?? ''),
  'in an array': (text) => `[${text}]`,
  'deep in arrays': (text, { turn }) => {
    const depth = [40, 5_000, 400_000][turn % 3] ?? 40;
    return `${'['.repeat(depth)}${text.slice(0, 1_000)}${']'.repeat(depth)}`;
  },
  'over 1 MiB': (text) => text + ' '.repeat(1_048_577 - Math.min(text.length, 1_048_576)),
  'JSON with comments': (text) => `/* */${text}`,
  nothing: () => '',
};

function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map(reversed);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, one]) => [name, reversed(one)]),
  );
}

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, true, 0, -1, '', '0', '00', '0x', [], {}, [[]], [null], { a: { b: {} } }, 'x'.repeat(5_000)),
  fc.constantFrom(`0x${'00'.repeat(20)}`, '00'.repeat(32), 'ff'.repeat(32), 'ff'.repeat(64), '-0', '1e3', 'NaN', '١'),
);

/** Most change a value of the valid message, some its text. */
export const mutations: fc.Arbitrary<Mutation> = fc.record({
  name: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...Object.keys(bends)) },
    { weight: 1, arbitrary: fc.constantFrom(...Object.keys(spoils)) },
  ),
  place: fc.nat(),
  turn: fc.nat(),
  junk,
});

/** The bytes of the bent message; where the mutation does not apply to the chosen value, another kind of it is taken. */
export function mutate(base: unknown, mutation: Mutation): Buffer {
  const text = JSON.stringify(base);
  const spoil = spoils[mutation.name];
  if (spoil) return Buffer.from(spoil(text, mutation));
  const bend = bends[mutation.name];
  const bent = bend && bentAt(JSON.parse(text) as Json, mutation, bend);
  return Buffer.from(bent === undefined ? JSON.stringify(mutation.junk ?? null) : JSON.stringify(bent));
}

/** Bends the chosen value, or the next one that the change applies to. */
function bentAt(base: Json, mutation: Mutation, bend: Bend): Json | undefined {
  const count = countOf(base);
  for (let step = 0; step < count; step += 1) {
    const place = (mutation.place + step) % count;
    let applied = false;
    const bent = replaceAt(base, place, (value) => {
      const result = bend(value, mutation);
      applied = result !== undefined;
      return result ?? null;
    });
    if (applied) return bent;
  }
  return undefined;
}

function childrenOf(value: Json): [string, Json][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function countOf(value: Json): number {
  return childrenOf(value).reduce((sum, [, child]) => sum + countOf(child), 1);
}

/** Values are counted from the outside in, in the order of the text. */
function replaceAt(value: Json, place: number, change: (value: Json) => Json): Json {
  if (place === 0) return change(value);
  let left = place - 1;
  for (const [name, child] of childrenOf(value)) {
    const count = countOf(child);
    if (left < count) {
      const changed = replaceAt(child, left, change);
      return Array.isArray(value)
        ? value.with(Number(name), changed)
        : { ...(value as { [name: string]: Json }), [name]: changed };
    }
    left -= count;
  }
  return value;
}
