import { afterEach, expect, test, vi } from 'vitest';
import { createRollbackGuard } from './rollback-guard.ts';

const hashes = ['aa', 'bb', 'cc'];
const journal = {
  head: () => ({ seq: 3, hash: 'cc', atMs: 0 }),
  hashAt: (seq: number) => hashes[seq - 1] ?? null,
};
vi.spyOn(process.stdout, 'write').mockReturnValue(true);
afterEach(() => vi.clearAllMocks());

test('signs on while every peer has countersigned what the journal has', () => {
  const guard = createRollbackGuard(journal);
  guard.check('signer-2', null);
  guard.check('signer-2', { seq: 3, hash: 'cc' });
  guard.check('signer-3', { seq: 1, hash: 'aa' });
  expect(() => guard.assertNotBehind()).not.toThrow();
});

test.each([
  ['a record beyond the end', { seq: 4, hash: 'dd' }],
  ['another record in the place of one', { seq: 2, hash: 'ff' }],
])('refuses for good once a peer has countersigned %s', (_, head) => {
  const guard = createRollbackGuard(journal);
  guard.check('signer-2', head);
  guard.check('signer-2', { seq: 3, hash: 'cc' });
  expect(() => guard.assertNotBehind()).toThrow(expect.objectContaining({ code: 'journal-behind' }));
});
