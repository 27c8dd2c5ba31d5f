import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';
import { listBuild } from '@holdfast/devnet/list-build.ts';
import type { Child } from '@holdfast/devnet/processes.ts';
import type { SignerProgram } from '@holdfast/devnet/signer-program.ts';
import { type AssetName, type Customer, outsideAddress } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alterProgram } from '../support/altered-program.ts';
import { type Books, fund, mineUntilAll, openBooks, received, units, withdrawalBody } from '../support/payouts.ts';
import { callSigners, journalOf, signerIds } from '../support/signers-direct.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

/**
 * Every process is replaced while customers withdraw: the signers one by one and the server last, from the build in use to
 * the next one, and back in the other order (docs/how-to/release.md). One signer and the server are killed instead of stopped.
 */
const assets = ['ETH', 'USDC', 'BTC'] as const;
const coins: Readonly<Record<(typeof assets)[number], string>> = { ETH: '0.01', USDC: '7', BTC: '0.001' };
const soakS = 2;

let system: System;
let books: Books;
let customer: Customer;
let signers: ReturnType<typeof callSigners>;

beforeAll(async () => {
  system = await startSystem({
    policy: (policy) => {
      relaxPolicy(policy);
      policy.builds.soak_s = soakS;
    },
  });
  books = openBooks(system);
  signers = callSigners(system);
  customer = await system.newCustomer('upgrade');
  await fund(system, customer, { ETH: '10', USDC: '20000', BTC: '2' });
});
afterAll(async () => {
  signers?.close();
  await books?.close();
  await system?.stop();
});

interface Asked {
  readonly id: string;
  readonly asset: AssetName;
  readonly amount: bigint;
  readonly to: string;
}

/** Asks for a payment after the other, the same again while the server is away, and mines, until it is stopped. */
function load(): { readonly asked: Asked[]; stop(): Promise<void> } {
  const asked: Asked[] = [];
  let stopped = false;
  const ask = async (at: number): Promise<void> => {
    const asset = assets[at % assets.length]!;
    const to = await outsideAddress(system, asset);
    const body = withdrawalBody(system, customer, asset, coins[asset], to);
    const { id } = await awaitCondition(
      `withdrawal ${body.client_reference}`,
      async () =>
        system.client
          .createWithdrawal(body, { idempotencyKey: `key-${body.client_reference}` })
          .catch((error: unknown) => {
            if (error instanceof Failure && ['outcome_unknown', 'server-unavailable'].includes(error.code)) return null;
            throw error;
          }),
      30_000,
      50,
    );
    asked.push({ id, asset, amount: units(asset, coins[asset]), to });
  };
  const asking = (async () => {
    for (let at = 0; !stopped; at += 1) {
      await ask(at);
      await sleep(100);
    }
  })();
  const mining = (async () => {
    while (!stopped) {
      await system.mineEvm();
      await system.mineBitcoin();
      await sleep(250);
    }
  })();
  const done = Promise.all([asking, mining]);
  // Whoever stops it hears of what went wrong.
  done.catch(() => undefined);
  return {
    asked,
    stop: async () => {
      stopped = true;
      await done;
    },
  };
}

/** Asked to end, or dead in the middle of what it does. */
type End = 'stopped' | 'killed';

async function end(child: Child, how: End): Promise<void> {
  if (how === 'stopped') return child.stop();
  child.kill('SIGKILL');
  await child.exited;
}

/** One signer runs another build, is seen by both others, and would sign. */
async function replaceSigner(id: string, program: SignerProgram, how: End = 'stopped'): Promise<void> {
  await end(system.signer(id), how);
  await system.startSigner(id, program);
  await awaitCondition(
    `three signers, ${id} with another build`,
    async () => {
      const all = await Promise.all(signers.signers.map(async (client) => client.call('/v1/status', {})));
      const fit = all.every(({ peers_reachable: peers, problem }) => peers === 2 && problem === null);
      return fit && all.find(({ signer }) => signer === id)?.build === program.build;
    },
    20_000,
    50,
  );
}

async function replaceServer(how: End = 'stopped'): Promise<void> {
  await end(system.server(), how);
  await system.startServer();
}

/** Waits until something that was asked for from now on is paid: the system works in the state that it is in. */
async function paysOn({ asked }: { readonly asked: readonly Asked[] }): Promise<void> {
  const from = asked.length;
  await awaitCondition(
    'a payment of the load',
    async () => {
      const ids = asked.slice(from).map(({ id }) => id);
      const found = await Promise.all(ids.slice(0, 5).map(async (id) => system.client.getWithdrawal({ id })));
      return found.some(({ state }) => state === 'settled');
    },
    30_000,
    50,
  );
}

it('loses and doubles nothing when all are upgraded and rolled back under load, some of them killed in the middle', async () => {
  const before = system.program;
  const after = alterProgram(before, system.folder, 'next', [
    ['\nexport {  };', '\n// The next version.\nexport {  };'],
  ]);
  expect(await listBuild(system, after.build)).toBe(true);
  expect(await listBuild(system, after.build)).toBe(false);
  const soaked = sleep(soakS * 1_000);
  const running = load();
  try {
    await paysOn(running);
    await soaked;
    await replaceSigner('signer-1', after);
    // What the next build finds on its disk is what the last one had written when it died.
    await replaceSigner('signer-2', after, 'killed');
    await paysOn(running);
    await replaceSigner('signer-3', after);
    await replaceServer('killed');
    await paysOn(running);
    // Back again in the other order, half-way stopped at once: two builds sign together.
    await replaceServer();
    await replaceSigner('signer-3', before);
    await paysOn(running);
    for (const id of ['signer-2', 'signer-1']) await replaceSigner(id, before);
  } finally {
    await running.stop();
  }

  const { asked } = running;
  expect(asked.length).toBeGreaterThan(10);
  await mineUntilAll(
    system,
    asked.map(({ id }) => id),
    'settled',
  );
  for (const { asset, amount, to } of asked) expect(await received(system, asset, to)).toBe(amount);
  for (const { id } of asked) {
    expect(await books.postingsOf(id)).toHaveLength(3);
    const final = (await books.attemptsOf(id)).filter(({ state }) => state === 'final');
    expect(final).toHaveLength(1);
  }
  await system.followed();
  await system.mustBalance();
  for (const id of signerIds) {
    const builds = journalOf(system, id).flatMap((record) => (record.kind === 'started' ? [record.body.build] : []));
    expect(builds).toEqual([before.build, after.build, before.build]);
  }
  for (const { halts, problem } of await Promise.all(signers.signers.map(async (one) => one.call('/v1/status', {}))))
    expect([halts, problem]).toEqual([[], null]);
});
