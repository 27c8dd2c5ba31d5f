import { expect, it } from 'vitest';
import { createHaltView } from './halt-view.ts';

const viewOf = async (network: string | null, asset: string | null) => {
  const halt = { statement: { scope: { network, asset }, reason: 'drill' }, by: 'watcher-1' };
  const view = createHaltView({ status: async () => [{ status: { halts: [halt] } }, { status: null }] as never });
  expect(view.isHalted('eip155:1', 'eip155:1/slip44:60')).toBe(false);
  expect(await view.refresh()).toEqual(['drill (watcher-1)']);
  return view;
};

it('stops everything when all is halted', async () => {
  const view = await viewOf(null, null);
  expect(view.isHalted('eip155:1', null)).toBe(true);
  expect(view.isHalted('bip122:0', 'bip122:0/slip44:0')).toBe(true);
});

it('stops one network', async () => {
  const view = await viewOf('eip155:1', null);
  expect(view.isHalted('eip155:1', null)).toBe(true);
  expect(view.isHalted('bip122:0', null)).toBe(false);
});

it('stops a network and an asset that the halt spells with other letters', async () => {
  expect((await viewOf('EIP155:1', null)).isHalted('eip155:1', null)).toBe(true);
  const view = await viewOf('eip155:1', 'eip155:1/erc20:0xAbC');
  expect(view.isHalted('eip155:1', 'eip155:1/erc20:0xaBc')).toBe(true);
  expect(view.isHalted('eip155:1', 'eip155:1/erc20:0xabd')).toBe(false);
});

it('stops one asset and leaves the rest of its network', async () => {
  const view = await viewOf('eip155:1', 'eip155:1/slip44:60');
  expect(view.isHalted('eip155:1', 'eip155:1/slip44:60')).toBe(true);
  expect(view.isHalted('eip155:1', 'eip155:1/erc20:0x1')).toBe(false);
  expect(view.isHalted('eip155:1', null)).toBe(false);
});

it('says which policy each signer has in force, a pending one from its time on, and asks when nobody was asked yet', async () => {
  const pending = { version: 2, digest: 'second', effective_at_ms: 100 };
  let asked = 0;
  const status = async () => {
    asked += 1;
    return [
      { status: { halts: [], policy: { version: 1, digest: 'first' }, policy_pending: null } },
      { status: { halts: [], policy: { version: 1, digest: 'first' }, policy_pending: pending } },
      { status: null },
    ];
  };
  const view = createHaltView({ status } as never);
  expect(await view.policiesInForce(99)).toEqual(['first', 'first']);
  expect(await view.policiesInForce(100)).toEqual(['first', 'second']);
  expect(asked).toBe(1);
  await view.refresh();
  expect(asked).toBe(2);
});

it('says which signer is broken by its own word; what passes by itself is no trouble', async () => {
  const said = [
    ['signer-1', 'journal-broken: journal.jsonl could not be written: the disk fails'],
    ['signer-2', 'signers-unavailable: fewer than 1 of 2 peers'],
    ['signer-3', null],
  ] as const;
  const statuses = said.map(([signer, problem]) => ({ status: { signer, problem, halts: [] } }));
  const view = createHaltView({ status: async () => [...statuses, { status: null }] as never });
  await view.refresh();
  expect(view.troubles()).toEqual([
    {
      signer: 'signer-1',
      trouble: { code: 'journal-broken', message: 'journal.jsonl could not be written: the disk fails' },
    },
    { signer: 'signer-2', trouble: null },
    { signer: 'signer-3', trouble: null },
  ]);
});
