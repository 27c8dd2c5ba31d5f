import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openMiner } from '@holdfast/devnet/bitcoin/miner.ts';
import { untilSameTip } from '@holdfast/devnet/bitcoin/reorg.ts';
import { startBitcoind } from '@holdfast/devnet/bitcoin/start.ts';
import { until } from '@holdfast/devnet/bitcoin/until.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { startAnvil } from '@holdfast/devnet/evm/start-anvil.ts';
import { freePort } from '@holdfast/devnet/free-port.ts';
import { type Postgres, startPostgres } from '@holdfast/devnet/postgres.ts';
import { childrenOf, processRow } from '@holdfast/devnet/process-table.ts';
import type { System } from './system.ts';

/** A process besides the server, that is killed with SIGKILL and started again on what it left on its disk. */
export interface Victim {
  /** Resolves when it is dead. */
  kill(): Promise<void>;
  /** Resolves when it serves again. */
  restart(): Promise<void>;
  /** For what the system does not stop itself. */
  stop?(): Promise<void>;
}

export function signerVictim(system: System, id: string): Victim {
  return {
    async kill() {
      const child = system.signer(id);
      child.kill('SIGKILL');
      await child.exited;
    },
    restart: async () => void (await system.startSigner(id)),
  };
}

/** A PostgreSQL of a test's own. Its port is none that the system gives to callers: one that calls a dead port may get that very port, and keep it. */
export async function startMortalPostgres(dataDir: string): Promise<Postgres> {
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, 'port'), `${await freePort()}\n`);
  return startPostgres({ dataDir, diesWithCaller: true });
}

/** The postmaster first, so that it starts nobody anew, then every backend: they have no group in common. */
export function postgresVictim(dataDir: string, started: Postgres): Victim {
  let running = started;
  return {
    async kill() {
      const pids = [running.pid, ...childrenOf(running.pid)];
      for (const pid of pids) killNow(pid);
      await until('PostgreSQL is dead', async () => pids.every((pid) => processRow(pid) === undefined));
      // Of what runs no more it only forgets.
      await running.stop();
    },
    async restart() {
      running = await startPostgres({ dataDir, diesWithCaller: true });
      if (running.url !== started.url) throw new Error('PostgreSQL has come back at another address');
    },
    stop: () => running.stop(),
  };
}

/**
 * One of the two Bitcoin nodes. It loses its mempool, and the blocks since it last wrote its chain state, which the other
 * node has and gives back.
 */
export function bitcoinVictim(system: System, at: 0 | 1): Victim {
  const { nodes, miner } = system.chains.bitcoin!;
  const { p2pPort, rpcUrl } = nodes[at];
  const both = () => untilSameTip(miner, { ...miner, rpc: nodes[1].rpc });
  const name = `bitcoin-${at + 1}`;
  let { child } = nodes[at];
  return {
    async kill() {
      // A block that nobody else has would be gone for good: that is a reorg, and other tests are about those.
      await both();
      child.kill('SIGKILL');
      await child.exited;
    },
    async restart() {
      const { supervisor, folder } = system;
      const dataDir = join(folder, 'bitcoin', name);
      const connectTo = at === 1 ? [nodes[0].p2pPort] : [];
      const rpcPort = Number(new URL(rpcUrl).port);
      ({ child } = await startBitcoind({ supervisor, name, dataDir, rpcPort, p2pPort, connectTo }));
      // By itself the other one tries again after a minute.
      await nodes[1].rpc('addnode', [`127.0.0.1:${nodes[0].p2pPort}`, 'onetry']);
      await both();
      // The wallet of the world outside, which offers again what it has not seen mined.
      if (at === 0) await openMiner(nodes[0].rpc);
    },
  };
}

/**
 * The EVM node. Anvil writes its chain only now and then and has no peer to fetch it from, so it is made to write it just before
 * it is killed: like a node of a real network it comes back with its blocks and without its pool.
 */
export function anvilVictim(system: System): Victim {
  let node = system.chains.anvil;
  const { url, port } = node;
  const stateFile = join(system.folder, 'anvil', 'state.json');
  return {
    async kill() {
      const dump = await rpcCall<string>(url, 'anvil_dumpState', [true]);
      writeFileSync(stateFile, gunzipSync(Buffer.from(dump.slice(2), 'hex')));
      killNow(node.pid);
      await node.stop();
    },
    async restart() {
      node = await startAnvil({ port, stateFile, noMining: true });
    },
    stop: () => node.stop(),
  };
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
