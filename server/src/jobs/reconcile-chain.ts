import { quorumHeight } from '@holdfast/core/chains/endpoint-heights.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { reconcileEvery } from '../config.ts';
import type { Context } from '../context.ts';
import type { Network, WalletHoldings } from '../networks/network.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { type AppliedBlock, tipBlock } from '../store/blocks.ts';
import { coldWallets } from '../store/cold-wallets.ts';
import { balances } from '../store/ledger/balances.ts';
import {
  addressesEverUsed,
  addressesWithHoldings,
  type ExpectedHolding,
  lastReconciliations,
  nextAddresses,
  type ReconciledRound,
  type ReconciledWallet,
  reconciledHeight,
  saveRound,
  type WalletName,
} from '../store/reconciliations.ts';
import type { Sql } from '../store/database.ts';

/** Addresses that are looked at in turn, each time: a million in 200 rounds. */
const samplePerRound = 5_000;
/** Addresses that an alarm names. */
const namedMax = 5;

/** What the ledger says at one applied block, read at one moment. */
interface Snapshot {
  readonly tip: AppliedBlock;
  readonly ledger: ReadonlyMap<string, bigint>;
  readonly expected: readonly ExpectedHolding[];
  readonly sample: readonly ExpectedHolding[];
  /** Addresses. */
  readonly cold: readonly string[];
  readonly last: readonly ReconciledWallet[];
}

/**
 * Compares each wallet of a network with the chain at the very block that the ledger has applied, every
 * `reconcile_blocks`, and keeps an alarm open for each difference. The ledger is read first and at one moment, the chain by
 * that block's hash, so neither blocks nor payments under way make a difference; a block that a reorg takes off
 * meanwhile is tried again at the next one.
 * @returns 0: there is never more to do at once.
 */
export async function reconcileChain(ctx: Context, network: Network): Promise<number> {
  const [tip, height] = [await tipBlock(ctx.db, network.id), await reconciledHeight(ctx.db, network.id)];
  // Below what was compared last: a reorg, after which everything is looked at anew.
  if (!tip || (height !== null && tip.height >= height && tip.height - height < reconcileEvery(network.config)))
    return 0;
  const snapshot = await readSnapshot(ctx, network);
  if (!snapshot) return 0;
  let round: ReconciledRound;
  let details: ReadonlyMap<string, string>;
  try {
    ({ round, details } = await compare(ctx, network, snapshot));
  } catch (error) {
    if (error instanceof Failure && (await hasMoved(ctx, network, snapshot.tip))) return 0;
    throw error;
  }
  const nowMs = ctx.now();
  await ctx.db.transaction(async (sql) => {
    await saveRound(sql, network.id, round, nowMs);
    for (const wallet of round.wallets) await tell(ctx, sql, network, wallet, { round, details, nowMs });
  });
  return 0;
}

/** Whether another block than the one compared at is the newest, here or at the nodes: that one is followed first. */
async function hasMoved(ctx: Context, network: Network, at: AppliedBlock): Promise<boolean> {
  if ((await tipBlock(ctx.db, network.id))?.id !== at.id) return true;
  const { heights, quorum } = network.nodes;
  return (quorumHeight(await heights(), quorum) ?? 0) > at.height;
}

async function readSnapshot(ctx: Context, network: Network): Promise<Snapshot | null> {
  return ctx.db.transaction(
    async (sql) => {
      const tip = await tipBlock(sql, network.id);
      if (!tip) return null;
      const wallets: readonly WalletName[] = network.wallets
        ? ['hot', 'uncollected', 'relayer', 'cold']
        : ['hot', 'cold'];
      const codes = wallets.flatMap((wallet) =>
        network.config.assets.map(({ asset }) => accountCodes[wallet](network.id, asset)),
      );
      return {
        tip,
        ledger: await balances(sql, codes),
        expected: network.wallets ? await addressesWithHoldings(sql, network.id) : [],
        cold: (await coldWallets(sql, network.id)).map(({ address }) => address),
        sample: network.wallets ? await nextAddresses(sql, network.id, samplePerRound) : [],
        last: await lastReconciliations(sql, network.id),
      };
    },
    { snapshot: true },
  );
}

interface Comparison {
  readonly round: ReconciledRound;
  /** By wallet and asset: addresses that hold something else than expected. */
  readonly details: ReadonlyMap<string, string>;
}

async function compare(ctx: Context, network: Network, snapshot: Snapshot): Promise<Comparison> {
  const { tip, ledger } = snapshot;
  const listed = network.config.assets.map(({ asset }) => asset);
  const walletOf = (wallet: WalletName, asset: AssetCode, chain: bigint): ReconciledWallet => ({
    wallet,
    asset,
    ledger: ledger.get(accountCodes[wallet](network.id, asset)) ?? 0n,
    chain,
  });
  const none = { amounts: new Map(listed.map((asset) => [asset, 0n])) };
  const { amounts: cold } = snapshot.cold.length === 0 ? none : await network.cold.read(snapshot.cold, tip);
  const coldWallets = [...cold].map(([asset, amount]) => walletOf('cold', asset, amount));
  if (!network.wallets) {
    const chain = await network.chainBalances(tip.height, tip.hash);
    const hot = listed.map((asset) => walletOf('hot', asset, (chain.get(asset) ?? 0n) - (cold.get(asset) ?? 0n)));
    const wallets = [...hot, ...coldWallets];
    return { round: { height: tip.height, wallets, strays: [], afterAddress: null }, details: new Map() };
  }
  const { hot, relayers, holdings } = network.wallets;
  const own = await holdings(
    [hot, ...relayers].flatMap((address) => listed.map((asset) => ({ address, asset }))),
    tip.hash,
  );
  // A token that answers no balance of ours has an alarm of its own, and keeps no other asset from being compared.
  const assets = listed.filter((_, at) => own[at] !== null);
  const forwarders = await readForwarders(ctx, { network, wallets: network.wallets, assets }, snapshot);
  const wallets = assets.flatMap((asset) => {
    const held = (of: number): bigint => own[listed.length * of + listed.indexOf(asset)] ?? 0n;
    return [
      walletOf('hot', asset, held(0)),
      walletOf(
        'relayer',
        asset,
        relayers.reduce((sum, _, of) => sum + held(of + 1), 0n),
      ),
      ...(forwarders.unread.has(asset) ? [] : [walletOf('uncollected', asset, forwarders.sumOf(asset))]),
    ];
  });
  wallets.push(...coldWallets);
  const afterAddress = snapshot.sample.length < samplePerRound ? null : (snapshot.sample.at(-1)?.id ?? null);
  return {
    round: { height: tip.height, wallets, strays: forwarders.strays, afterAddress },
    details: new Map(assets.map((asset) => [`uncollected ${asset}`, forwarders.oddOnes(asset)])),
  };
}

interface Forwarder extends ExpectedHolding {
  readonly held: ReadonlyMap<AssetCode, bigint>;
}

/**
 * What deposit addresses hold. Those with deposits that nothing has collected are read each time, all others in turn. Where
 * the sum is not the ledger's, and not for the reason of last time, all that were ever used are read.
 */
async function readForwarders(
  ctx: Context,
  of: { readonly network: Network; readonly wallets: WalletHoldings; readonly assets: readonly AssetCode[] },
  snapshot: Snapshot,
) {
  const { network, wallets, assets } = of;
  const { tip, ledger, expected, sample, last } = snapshot;
  const unreadAssets = new Set<AssetCode>();
  const found = new Map<string, Forwarder>();
  const read = async (addresses: readonly ExpectedHolding[]): Promise<void> => {
    const unread = addresses.filter(({ id }) => !found.has(id));
    const asked = unread.flatMap(({ address }) => assets.map((asset) => ({ address, asset })));
    const amounts = await wallets.holdings(asked, tip.hash);
    for (const [at, { asset }] of asked.entries()) if (amounts[at] === null) unreadAssets.add(asset);
    for (const [at, holding] of unread.entries())
      found.set(holding.id, {
        ...holding,
        held: new Map(assets.map((asset, i) => [asset, amounts[at * assets.length + i] ?? 0n])),
      });
  };
  const sumOf = (asset: AssetCode): bigint =>
    [...found.values()].reduce((sum, { held }) => sum + (held.get(asset) ?? 0n), 0n);
  const differs = (asset: AssetCode): boolean => {
    const known = last.find((one) => one.wallet === 'uncollected' && one.asset === asset);
    const now = (ledger.get(accountCodes.uncollected(network.id, asset)) ?? 0n) - sumOf(asset);
    return !unreadAssets.has(asset) && now !== 0n && now !== (known ? known.ledger - known.chain : 0n);
  };
  await read(expected);
  await read(sample);
  if (assets.some(differs)) await read(await addressesEverUsed(ctx.db, network.id));
  const odd = (asset: AssetCode): Forwarder[] =>
    [...found.values()].filter((one) => (one.held.get(asset) ?? 0n) !== (one.expected.get(asset) ?? 0n));
  return {
    sumOf,
    /** Assets whose token answers no balance of one of them. */
    unread: unreadAssets,
    strays: [...found.values()]
      .filter(({ expected: due, held }) => due.size === 0 && [...held.values()].some((amount) => amount > 0n))
      .map(({ id }) => id),
    oddOnes: (asset: AssetCode): string =>
      odd(asset)
        .slice(0, namedMax)
        .map((one) => `${one.address} holds ${one.held.get(asset) ?? 0n}, expected ${one.expected.get(asset) ?? 0n}`)
        .join('; '),
  };
}

async function tell(
  ctx: Context,
  sql: Sql,
  network: Network,
  { wallet, asset, ledger, chain }: ReconciledWallet,
  { round, details, nowMs }: Comparison & { readonly nowMs: number },
): Promise<void> {
  const subject = `${network.id} ${wallet} ${asset}`;
  if (ledger === chain) return closeAlarms(sql, subject, nowMs);
  const detail = details.get(`${wallet} ${asset}`) ?? '';
  const message = `${wallet} of ${network.id} at block ${round.height}: the ledger has ${ledger} base units of ${asset}, the chain ${chain}, difference ${ledger - chain}${detail === '' ? '' : `; ${detail}`}`;
  ctx.log('alarm', { code: 'reconcile-difference', message });
  await raiseAlarm(sql, { id: ctx.newId(), code: 'reconcile-difference', subject, message }, nowMs);
}
