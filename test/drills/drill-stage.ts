import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import type { HaltScope } from '@holdfast/core/signing/halt.ts';
import {
  addDestination,
  type AssetName,
  type Customer,
  enrolCustomer,
  outsideAddress,
} from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { readServerKeys } from '@holdfast/server/init.ts';
import { createSignerClient } from '@holdfast/server/signers/client.ts';
import type { SignerClient } from '@holdfast/server/signers/panel.ts';
import { type Books, fund, openBooks, received } from '../support/payouts.ts';
import { awaitNoAlarm } from '../support/chain-steps.ts';
import { isVaultPaused, unpauseVault } from '../support/schedule-call.ts';
import { startSystem, type System } from '../support/system.ts';
import type { Adversary, Amounts } from './attack.ts';

export const assets: readonly AssetName[] = ['BTC', 'ETH', 'USDT', 'USDC'];
export const signerNames = ['signer-1', 'signer-2', 'signer-3'] as const;
export const everything: HaltScope = { network: null, asset: null };

/** A customer with a passkey and one matured destination of their own for each asset. */
export interface Banked extends Customer {
  readonly destinations: Readonly<Record<AssetName, string>>;
}

/**
 * A running system on real nodes under attack. Honest parties are the devnet's own (`system.authorize`, `approve`, ...);
 * what the attacker owns is what an attack takes from here.
 */
export interface DrillStage {
  readonly system: System;
  /** An honest customer, funded, whose money the attacker wants. */
  readonly victim: Banked;
  /** The attacker's own customer: passkey, matured destinations, small proven deposits (`accompliceHas`). */
  readonly accomplice: Banked;
  readonly accompliceHas: Amounts;
  /** The server's own tables: what root on the database may write. */
  readonly books: Books;
  /** The signers as root on the API host can call them: with the server's TLS key. */
  readonly asServer: readonly SignerClient[];
  /** A fresh address that the attacker owns. */
  thief(asset: AssetName): Promise<string>;
  /** What reached addresses of the attacker so far; mines first, so that nothing is under way. */
  stolen(asset: AssetName, address: string): Promise<bigint>;
  /** What the hot wallets hold, base units. */
  hotBalances(): Promise<Amounts>;
  journal(signer: string): JournalRecord[];
  /** Where the journals end now. */
  mark(): ReadonlyMap<string, number>;
  /** What the signers recorded since: `refused <code>`, `halt <by>: <reason>`. */
  evidenceSince(mark: ReadonlyMap<string, number>): string[];
  /** Waits until every running signer is halted. @returns the milliseconds since `startedAtMs` (performance.now). */
  haltedAfterMs(startedAtMs: number, withinMs: number): Promise<number>;
  /** Everything as before an attack: all signers run, no halt, no payment under way. */
  calm(): Promise<void>;
  stop(): Promise<void>;
}

/** Small, so that a loss shows against it. */
export const victimHas = { BTC: '3', ETH: '30', USDT: '60000', USDC: '60000' } as const;
export const accompliceBrings = { BTC: '0.1', ETH: '1', USDT: '1000', USDC: '1000' } as const;

/** On the devnet's policy (delays of seconds), as far as the adversary leaves it. */
export async function startDrillStage(
  adversary: Pick<Adversary, 'policy' | 'prepare' | 'vault' | 'nodes'> = {},
): Promise<DrillStage> {
  const { policy = () => undefined, vault, nodes } = adversary;
  const system = await startSystem({ policy, ...(vault ? { vault } : {}), ...(nodes ? { nodes } : {}) });
  try {
    const stage = await stageOf(system);
    await adversary.prepare?.(stage);
    return stage;
  } catch (error) {
    await system.stop();
    throw error;
  }
}

async function stageOf(system: System): Promise<DrillStage> {
  const [victim, accomplice] = await Promise.all([bank(system, 'victim'), bank(system, 'accomplice')]);
  await fund(system, victim, victimHas);
  await fund(system, accomplice, accompliceBrings);
  const books = openBooks(system);
  const { certificate, privateKey } = readServerKeys(join(system.folder, 'server')).identity;
  const config = JSON.parse(readFileSync(join(system.folder, 'server', 'config.json'), 'utf8')) as {
    signers: { id: string; identifier: number; url: string; fingerprint: string }[];
  };
  const asServer = config.signers.map((signer) => createSignerClient({ ...signer, certificate, key: privateKey }));
  const journal = (signer: string): JournalRecord[] =>
    readFileSync(join(system.folder, signer, 'journal.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as JournalRecord);
  const mark = () => new Map(signerNames.map((signer) => [signer as string, journal(signer).length]));
  const accompliceHas: Amounts = {};
  for (const asset of assets) accompliceHas[asset] = BigInt((await system.balance(accomplice, asset)).available);

  const isHalted = async (): Promise<boolean> => {
    const statuses = await Promise.all(asServer.map((client) => client.call('/v1/status', {}).catch(() => null)));
    const running = statuses.filter((status) => status !== null);
    return running.length > 0 && running.every((status) => status.halts.length > 0);
  };
  const settle = async (): Promise<void> => {
    await system.mineEvm(2);
    await system.mineBitcoin(1);
    await system.followed();
  };
  return {
    system,
    victim,
    accomplice,
    accompliceHas,
    books,
    asServer,
    thief: (asset) => outsideAddress(system, asset),
    stolen: async (asset, address) => {
      await settle();
      return received(system, asset, address);
    },
    hotBalances: async () => {
      const rows = (await system.client.reconcile()).rows;
      return Object.fromEntries(rows.map(({ asset, chain }) => [asset, BigInt(chain)])) as Amounts;
    },
    journal,
    mark,
    evidenceSince: (from) =>
      signerNames.flatMap((signer) =>
        journal(signer)
          .slice(from.get(signer))
          .flatMap((record) => {
            if (record.kind === 'refused') return [`refused ${record.body.code}`];
            return record.kind === 'halt' ? [`halt ${record.body.by}: ${record.body.statement.reason}`] : [];
          }),
      ),
    haltedAfterMs: async (startedAtMs, withinMs) => {
      await awaitCondition('every signer halted', isHalted, withinMs, 20);
      return Math.round(performance.now() - startedAtMs);
    },
    calm: () => calm(system, asServer),
    stop: async () => {
      for (const client of asServer) client.close();
      await books.close();
      await system.stop();
    },
  };
}

async function bank(system: System, name: string): Promise<Banked> {
  const customer = await system.newCustomer(name);
  await enrolCustomer(system, customer);
  const destinations = Object.fromEntries(
    await Promise.all(assets.map(async (asset) => [asset, await outsideAddress(system, asset)] as const)),
  ) as Record<AssetName, string>;
  await Promise.all(assets.map((asset) => addDestination(system, customer, asset, destinations[asset])));
  return { ...customer, destinations };
}

async function calm(system: System, asServer: readonly SignerClient[]): Promise<void> {
  for (const signer of signerNames) {
    if (!system.signer(signer).running()) await system.startSigner(signer);
  }
  await awaitCondition(
    'no halt at any signer',
    async () => {
      const statuses = await Promise.all(asServer.map((client) => client.call('/v1/status', {})));
      const halts = new Set(statuses.flatMap((status) => status.halts.map(({ digest }) => digest)));
      if (halts.size === 0) return true;
      await system.client.resume(system.resumption([...halts], 'drill over')).catch(() => undefined);
      return false;
    },
    30_000,
    200,
  );
  // What the signers saw on a chain had the vault paused too; a relayed pause may still wait for a block.
  await awaitNoAlarm(system, 'halted');
  await system.mineEvm();
  const { url } = system.chains.anvil;
  if (await isVaultPaused(url, system.evm.guard)) await unpauseVault(url, system.evm.guard);
}
