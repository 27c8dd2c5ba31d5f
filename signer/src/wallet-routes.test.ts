import { Failure } from '@holdfast/core/failure.ts';
import { signerMessages } from '@holdfast/core/signing/messages.ts';
import { expect, test, vi } from 'vitest';
import type { HaltDesk } from './halts/halt-desk.ts';
import type { RecordDeps } from './records/accept-records.ts';
import type { Caller } from './transport/pinned-server.ts';
import { walletRoutes } from './wallet-routes.ts';

const halts: HaltDesk = {
  halt: vi.fn<HaltDesk['halt']>(async () => ({ digest: 'aa'.repeat(32) })),
  resume: vi.fn<HaltDesk['resume']>(async () => undefined),
  peerHalt: vi.fn<HaltDesk['peerHalt']>(),
  haltSelf: vi.fn<HaltDesk['haltSelf']>(),
  haltUnexplained: vi.fn<HaltDesk['haltUnexplained']>(),
  open: () => [],
};
type Input = Parameters<typeof walletRoutes>[0];
const input = {
  status: () => ({ signer: 'signer-1' }),
  evm: new Map(),
  bitcoin: new Map(),
  share: async (session: string) => [session],
  deps: {},
  records: {} as RecordDeps,
  halts,
  spread: () => undefined,
  feed: { own: async (after: number) => ({ lines: [`after ${after}`], signed: null }) },
} as unknown as Input;
const caller: Caller = { role: 'server', name: 'server', fingerprint: '' };
const routes = new Map<string, (body: object) => Promise<unknown>>(
  walletRoutes(input).map(([path, route]) => [path, async (body) => route.handle(body as never, caller)]),
);

test('answers every message of the table, to the server only', () => {
  expect([...routes.keys()].toSorted()).toEqual(Object.keys(signerMessages).toSorted());
  expect(walletRoutes(input).map(([, { role }]) => role)).toEqual(walletRoutes(input).map(() => 'server'));
});

test('hands halts and resumptions to the desk', async () => {
  expect(await routes.get('/v1/halt')?.({ statement: 1 })).toEqual({ digest: 'aa'.repeat(32) });
  expect(await routes.get('/v1/resume')?.({ statement: 2 })).toEqual({});
  expect(halts.halt).toHaveBeenCalledWith({ statement: 1 });
  expect(halts.resume).toHaveBeenCalledWith({ statement: 2 });
});

test('hands out its own journal', async () => {
  expect(await routes.get('/v1/journal')?.({ after: 7 })).toEqual({ lines: ['after 7'], signed: null });
});

test('has no wallet on a network that it does not serve', async () => {
  await expect(routes.get('/v1/address')?.({ network: 'eip155:5' })).rejects.toEqual(
    new Failure('unknown-network', 'this signer has no such wallet: eip155:5'),
  );
});
