import { Failure } from '@holdfast/core/failure.ts';

/**
 * The opaque form of a list's sort key: base64url of `<route>:<key>`. The route keeps a cursor of one list from being
 * taken for one of another.
 */
export function encodeCursor(route: string, key: string): string {
  return Buffer.from(`${route}:${key}`, 'utf8').toString('base64url');
}

/** @throws Failure invalid-request when the text is no cursor of this list. */
export function decodeCursor(route: string, cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  const key = text.startsWith(`${route}:`) ? text.slice(route.length + 1) : '';
  // A key is an id or a number; what follows it reaches SQL as a value of that type.
  if (!/^[0-9a-f-]{1,36}$/.test(key)) {
    throw new Failure('invalid-request', 'not a next_cursor of this list', { pointer: '/query/cursor' });
  }
  return key;
}
