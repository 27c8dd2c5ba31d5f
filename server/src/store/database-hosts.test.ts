import { expect, test } from 'vitest';
import { databaseHosts } from './database-hosts.ts';

test.each([
  ['postgresql://u:p@h:5432/db', ['postgresql://u:p@h:5432/db']],
  ['postgresql:///db', ['postgresql:///db']],
  [
    'postgres://u:p%40x@a:1,b:2,c/db',
    ['postgres://u:p%40x@a:1/db', 'postgres://u:p%40x@b:2/db', 'postgres://u:p%40x@c/db'],
  ],
  [
    'postgresql://u@[::1]:1,b/db?sslmode=verify-full&target_session_attrs=read-write',
    ['postgresql://u@[::1]:1/db?sslmode=verify-full', 'postgresql://u@b/db?sslmode=verify-full'],
  ],
  ['postgresql://a,b/db?target_session_attrs=primary', ['postgresql://a/db', 'postgresql://b/db']],
])('%s', (url, hosts) => {
  expect(databaseHosts(url)).toEqual(hosts);
});

test.each([
  'mysql://u:secret@a/db',
  'postgresql://u:secret@a,,b/db',
  'postgresql://u:secret@a,b/db?target_session_attrs=any',
  'postgresql://u:secret@/db?host=a,b',
])('refuses %s and does not show it', (url) => {
  expect(() => databaseHosts(url)).toThrow(/^DATABASE_URL (?!.*secret)/);
});
