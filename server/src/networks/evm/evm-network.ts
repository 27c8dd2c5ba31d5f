import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { forwarderAddress, forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import { addressesOf, scanEvmBlock, touchedBalances, type EvmWatch } from '@holdfast/core/chains/evm/scan.ts';
import { strayRecipients, strayTokens } from '@holdfast/core/chains/evm/stray-tokens.ts';
import type { AddressOwner } from '@holdfast/core/deposits/decide-block.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import { parseNetworkId } from '@holdfast/core/money/network.ts';
import { type EvmNetwork, quorumOf } from '../../config.ts';
import { returnAfterBlocks } from '../../nodes/endpoints.ts';
import { offerToAll } from '../../nodes/offer-to-all.ts';
import { rpcEndpoint } from '../../nodes/json-rpc.ts';
import type { SignerPanel } from '../../signers/panel.ts';
import type { Database } from '../../store/database.ts';
import { coldWallets } from '../../store/cold-wallets.ts';
import { addressesWithDeposits, ownersElsewhere, ownersOfKeys } from '../../store/deposit-addresses.ts';
import { watchIndex, type WatchIndexOptions } from '../../store/watch-index.ts';
import type { LoadedBlock, Network } from '../network.ts';
import { evmCosts } from './evm-costs.ts';
import { evmNode, type EvmNode } from './evm-node.ts';
import { evmPause } from './evm-pause.ts';
import { evmPayments } from './evm-payments.ts';
import { evmRebuild } from './evm-rebuild.ts';
import { tokenReads } from './token-reads.ts';
import type { Holding } from './read-balances.ts';
import { relayer } from './relayer.ts';

/**
 * An EVM network from its configuration row.
 * @param deps `relayerKey`, 32 bytes: pays gas, moves no customer funds; `sweeperKey`: the same for sweeps, null when the one account does both.
 */
export function evmNetwork(
  config: EvmNetwork,
  deps: {
    db: Database;
    panel: SignerPanel;
    relayerKey: Uint8Array;
    sweeperKey: Uint8Array | null;
    nativeAsset: AssetCode;
    now: () => number;
    log?: WatchIndexOptions['log'];
    twins?: readonly string[];
    /** Of the policy. */
    coldAddresses: readonly string[];
  },
): Network {
  const id = parseNetworkId(config.id);
  const endpoints = config.endpoints.map((url) => rpcEndpoint(url));
  const node = evmNode(endpoints, {
    quorum: quorumOf(config),
    returnAfterBlocks: returnAfterBlocks(config.final_confirmations),
  });
  const ceiling = BigInt(config.max_fee_per_gas);
  const gas = relayer(id, 'payout', deps.relayerKey, node, ceiling);
  const sweeper = deps.sweeperKey && relayer(id, 'sweep', deps.sweeperKey, node, ceiling);
  const lanes = sweeper ? [gas, sweeper] : [gas];
  const watch = watchIndex(deps.db, id, ['deposit_address'], deps);
  const safe = config.safe.toLowerCase();
  const tokens = new Map(
    config.assets.flatMap((rule) =>
      rule.contract === null ? [] : [[rule.contract.toLowerCase(), rule.asset] as const],
    ),
  );
  const own = ownAddresses(config, [...lanes.map(({ address }) => address), ...tokens.keys()]);
  const depositAddress = (customerId: string, index: number): string =>
    forwarderAddress({
      factory: config.forwarder_factory,
      initCodeHash: `0x${config.forwarder_init_code_hash}`,
      salt: forwarderSalt(customerId, index),
    });

  return {
    id,
    family: 'evm',
    config,
    nativeAsset: deps.nativeAsset,
    parseAddress: parseEvmAddress,
    isOwnWallet: async (address) => own.has(address.toLowerCase()),
    watchKey: (address) => address.toLowerCase(),
    // Forwarders hang on the registry, not on a key that would be replaced.
    depositAddress: async (customerId, index) => ({ address: depositAddress(customerId, index), epoch: firstEpoch }),
    watchAll: watch.catchUp,
    nodes: node.nodes,
    hashAt: (height) => node.hashAt(height),
    ...(config.finality_tag && { finalBlock: () => node.taggedBlock(config.finality_tag!) }),
    loadBlock: (_height, hash) =>
      loadEvmBlock(hash, node, { tokens, nativeAsset: deps.nativeAsset }, async (keys) => {
        const owners: Map<string, AddressOwner> = new Map([
          ...(await ownersElsewhere(deps.db, deps.twins ?? [], keys)),
          ...(await ownersOfKeys(deps.db, id, await watch.among(keys))),
        ]);
        for (const { watch_key: key } of await coldWallets(deps.db, id)) owners.set(key, { kind: 'cold' });
        owners.set(safe, { kind: 'hot' });
        for (const { address } of lanes) owners.set(address.toLowerCase(), { kind: 'relayer' });
        return owners;
      }),
    unrecord: async () => undefined,
    cold: coldHoldings(config, deps.coldAddresses, node),
    skimmable: (assets) => skimmable(config, node, assets),
    refillAddress: async () => ({ address: config.safe, index: null }),
    wallets: walletHoldings(config, lanes, node),
    async chainBalances(_height, hash) {
      const addresses = [
        config.safe,
        ...lanes.map(({ address }) => address),
        ...(await coldWallets(deps.db, id)).map(({ address }) => address),
        ...(await addressesWithDeposits(deps.db, id)),
      ];
      const holdings: (Holding & { asset: AssetCode })[] = addresses.flatMap((address) =>
        config.assets.map((rule) => ({ contract: rule.contract, address, asset: rule.asset })),
      );
      const totals = new Map<AssetCode, bigint>();
      const amounts = await node.balances(holdings, hash);
      const unread = new Set(holdings.filter((_, i) => amounts[i] === null).map(({ asset }) => asset));
      for (const [i, { asset }] of holdings.entries())
        if (!unread.has(asset)) totals.set(asset, (totals.get(asset) ?? 0n) + (amounts[i] ?? 0n));
      return totals;
    },
    broadcast: (raw) =>
      offerToAll(endpoints, (endpoint) =>
        endpoint.call('eth_sendRawTransaction', [`0x${Buffer.from(raw).toString('hex')}`]),
      ),
    abandon: async () => undefined,
    costs: evmCosts(config, node),
    rebuild: evmRebuild(config),
    ...tokenReads(config, node),
    ...(config.guard && { pause: evmPause(config.guard, { node, gas }) }),
    lanes,
    ...evmPayments(config, { node, gas, sweepGas: sweeper ?? gas, panel: deps.panel, now: deps.now }),
  };
}

/** Wallets and contracts of ours, lower case. */
function ownAddresses(config: EvmNetwork, others: readonly string[]): ReadonlySet<string> {
  const { safe, guard, multi_send, registry, forwarder_factory } = config;
  const contracts = [safe, ...(guard === undefined ? [] : [guard]), multi_send, registry, forwarder_factory];
  return new Set([...contracts, ...others].map((address) => address.toLowerCase()));
}

function walletHoldings(
  config: EvmNetwork,
  lanes: readonly { readonly address: string }[],
  node: EvmNode,
): NonNullable<Network['wallets']> {
  const contractOf = new Map(config.assets.map((rule) => [rule.asset, rule.contract]));
  return {
    hot: config.safe,
    relayers: lanes.map(({ address }) => address),
    holdings: (asked, hash) =>
      node.balances(
        asked.map(({ address, asset }) => ({ contract: contractOf.get(asset) ?? null, address })),
        hash,
      ),
  };
}

/** Half of what the guard lets pass, for its limits do not tell a skim from a payment and customers come first. */
async function skimmable(
  config: EvmNetwork,
  node: EvmNode,
  assets: readonly AssetCode[],
): Promise<ReadonlyMap<AssetCode, bigint>> {
  const contractOf = new Map(config.assets.map((rule) => [rule.asset, rule.contract]));
  const contracts = assets.map((asset) => contractOf.get(asset) ?? null);
  const hash = await node.hashAt(await node.height());
  const held = await node.balances(
    contracts.map((contract) => ({ contract, address: config.safe })),
    hash,
  );
  if (config.guard === undefined) return new Map(assets.map((asset, at) => [asset, held[at] ?? 0n]));
  const room = await node.guardRoom(config.guard, contracts, hash);
  return new Map(assets.map((asset, at) => [asset, (room?.[at] ?? 0n) / 2n]));
}

function coldHoldings(config: EvmNetwork, addresses: readonly string[], node: EvmNode): Network['cold'] {
  return {
    addresses: addresses.map((address) => parseEvmAddress(address)),
    async read(asked, { hash }) {
      const holdings = config.assets.flatMap(({ asset, contract }) =>
        asked.map((address) => ({ asset, contract, address })),
      );
      const held = await node.balances(holdings, hash);
      const unread = new Set(holdings.filter((_, i) => held[i] === null).map(({ asset }) => asset));
      const amounts = new Map<AssetCode, bigint>();
      for (const [i, { asset }] of holdings.entries())
        if (!unread.has(asset)) amounts.set(asset, (amounts.get(asset) ?? 0n) + (held[i] ?? 0n));
      // An address says itself what it holds.
      return { amounts, record: async () => undefined };
    },
  };
}

async function loadEvmBlock(
  hash: string,
  node: EvmNode,
  assets: { tokens: ReadonlyMap<string, AssetCode>; nativeAsset: AssetCode },
  lookUp: (keys: string[]) => Promise<Map<string, AddressOwner>>,
): Promise<LoadedBlock> {
  const contractOf = new Map([...assets.tokens].map(([contract, asset]) => [asset, contract]));
  const content = await node.block(hash);
  const asked = addressesOf(content, assets);
  for (const recipient of strayRecipients(content.receipts, assets)) asked.add(recipient);
  const owners = await lookUp([...asked]);
  const watch: EvmWatch = { ...assets, kindOf: (address) => owners.get(address)?.kind };
  const pairs = touchedBalances(content, watch);
  const [before, after] = await Promise.all([
    node.balances(pairs, content.header.parentHash),
    node.balances(pairs, hash),
  ]);
  const { kept, dropped } = strayTokens(content.receipts, watch);
  const strays = kept.flatMap((stray) => {
    const owner = owners.get(stray.address.toLowerCase());
    return owner?.kind === 'deposit' ? [{ ...stray, addressId: owner.addressId }] : [];
  });
  const balanceDeltas = pairs.map((pair, i) => {
    const [from, to] = [before[i]!, after[i]!];
    return { ...pair, delta: from === null || to === null ? null : to - from };
  });
  return {
    block: scanEvmBlock({ ...content, balanceDeltas }, watch),
    ownerOf: (address) => owners.get(address.toLowerCase()),
    record: async () => undefined,
    strays: { kept: strays, dropped },
    holdings: (asked) =>
      node.balances(
        asked.map(({ address, asset }) => ({ contract: contractOf.get(asset) ?? null, address })),
        hash,
      ),
  };
}
