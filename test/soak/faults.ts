import { setTimeout as sleep } from 'node:timers/promises';
import { reorgByInvalidation, untilSameTip } from '@holdfast/devnet/bitcoin/reorg.ts';
import { openMiner } from '@holdfast/devnet/bitcoin/miner.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { reorg } from '@holdfast/devnet/evm/payments.ts';
import { bitcoinBlockHash, evmBlockHash } from '@holdfast/devnet/lies.ts';
import { outsideAddress } from '@holdfast/devnet/story/actors.ts';
import type { Fault as ProxyFault } from '@holdfast/devnet/proxy.ts';
import type { Child } from '@holdfast/devnet/processes.ts';
import { acceptDeepReorgs, endpointsOf } from '../support/chain-steps.ts';
import { startSecondServer } from '../support/second-server.ts';
import type { SoakStage } from './stage.ts';

/** One thing that goes wrong, and is over when the promise resolves. @returns what was hit, for the report. */
export type Fault = (stage: SoakStage) => Promise<string>;

const signers = ['signer-1', 'signer-2', 'signer-3'];
const networks = [evmNetworkId, bitcoinNetworkId];
const falseHash = 'ab'.repeat(32);

/** By name; each restores what it broke. */
export const faults: Readonly<Record<string, Fault>> = {
  'server killed': async ({ system, random }) => {
    await killed(system.server());
    await sleep(random.between(0, 3_000));
    await system.startServer();
    return '';
  },
  'second server killed': async ({ system, random }) => {
    await killed(second(system.supervisor.children()));
    await sleep(random.between(0, 3_000));
    await startSecondServer(system);
    return '';
  },
  'server stopped and woken': async ({ system, random }) =>
    stoppedFor(random.pick([system.server(), second(system.supervisor.children())]), random.between(1_000, 12_000)),
  'signer killed': async ({ system, random }) => {
    const id = random.pick(signers);
    await killed(system.signer(id));
    await sleep(random.between(0, 3_000));
    await system.startSigner(id);
    return id;
  },
  'signer stopped and woken': async ({ system, random }) => {
    const id = random.pick(signers);
    await stoppedFor(system.signer(id), random.between(1_000, 8_000));
    return id;
  },
  'endpoint of the server down': async (stage) => onEndpoint(stage, 'server', { kind: 'down' }),
  'endpoint of the server slow': async (stage) =>
    onEndpoint(stage, 'server', { kind: 'lag', delayMs: stage.random.between(200, 2_000) }),
  'endpoint of a signer down': async (stage) => onEndpoint(stage, stage.random.pick(signers), { kind: 'down' }),
  'endpoint of a signer slow': async (stage) =>
    onEndpoint(stage, stage.random.pick(signers), { kind: 'lag', delayMs: stage.random.between(200, 1_500) }),
  'false block hash from one endpoint': async (stage) => {
    const { system, random } = stage;
    const network = random.pick(networks);
    const found = (await system.client.listNetworks()).data.find(({ id }) => id === network);
    const at = (found?.height ?? 0) + 1;
    const lie = network === bitcoinNetworkId ? bitcoinBlockHash(at, falseHash) : evmBlockHash(at, `0x${falseHash}`);
    return onEndpoint(stage, 'server', { kind: 'lie', lie }, network);
  },
  'all sessions of the database ended': async ({ books }) => {
    await books.db.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    return '';
  },
  'reorg on the EVM chain': async ({ system, evm }) => {
    await evm(async () => {
      // Nothing of the outside may wait in the pool: what its transactions were built on would be gone.
      await system.mineEvm();
      await reorg({ rpcUrl: system.chains.anvil.url, depth: 1 });
    });
    return 'depth 1';
  },
  'reorg on Bitcoin': async ({ system, bitcoin }) => {
    const { miner, nodes } = system.chains.bitcoin!;
    await bitcoin(async () => {
      const other = await openMiner(nodes[1].rpc, { funded: false });
      await untilSameTip(miner, other);
      // To another address: an empty block of the same second would be the invalid one again.
      await reorgByInvalidation({ ...miner, address: await outsideAddress(system, 'BTC') }, { depth: 1 });
      await untilSameTip(miner, other);
    });
    // One block deep is already below what this devnet takes for final: an operator has to look.
    await acceptDeepReorgs(system).catch(() => undefined);
    return 'depth 1';
  },
};

async function killed(child: Child): Promise<void> {
  child.kill('SIGKILL');
  await child.exited;
}

async function stoppedFor(child: Child, forMs: number): Promise<string> {
  child.kill('SIGSTOP');
  await sleep(forMs);
  child.kill('SIGCONT');
  return `${child.name}, ${forMs} ms`;
}

function second(children: readonly Child[]): Child {
  const found = children.find(({ name }) => name === 'server-2');
  if (!found) throw new Error('no second server runs');
  return found;
}

async function onEndpoint(
  { system, random }: SoakStage,
  party: string,
  fault: ProxyFault,
  network = random.pick(networks),
): Promise<string> {
  const view = system.views.get(party)!;
  const endpoints =
    party === 'server' ? endpointsOf(system, network) : network === bitcoinNetworkId ? view.bitcoin : view.evm;
  const proxy = random.pick(endpoints);
  const forMs = random.between(500, 6_000);
  proxy.setFault(fault);
  try {
    await sleep(forMs);
  } finally {
    proxy.setFault({ kind: 'none' });
  }
  return `${party}, ${network}, ${forMs} ms`;
}
