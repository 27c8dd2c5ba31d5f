import { expect, test } from 'vitest';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { StartLoop } from './loop.ts';
import { runNetworkJobs } from './run-jobs.ts';

test('every server looks after its own endpoints: which of them count is in its memory alone', () => {
  const everywhere: string[] = [];
  const start: StartLoop = (_ctx, name, _subject, _pauseMs, _pass, options) => {
    if (options?.everywhere) everywhere.push(name);
    return { wake: () => undefined, stop: async () => undefined };
  };
  const network = { id: 'net', config: { poll_ms: 1 } } as unknown as Network;
  const signers = { tell: async () => undefined, isHalted: () => false, pauses: () => [] };
  const panel = { newestKey: async () => null };
  runNetworkJobs({} as Context, [network], { ...signers, panel }, start);
  expect(everywhere).toEqual(['nodes']);
});
