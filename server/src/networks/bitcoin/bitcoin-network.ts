import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { candidates, scanBitcoinBlock } from '@holdfast/core/chains/bitcoin/scan.ts';
import type { AddressOwner } from '@holdfast/core/deposits/decide-block.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { parseNetworkId } from '@holdfast/core/money/network.ts';
import type { BitcoinNetworkPolicy, MultisigWalletPolicy } from '@holdfast/core/policy/policy.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import { type BitcoinNetwork, quorumOf } from '../../config.ts';
import { returnAfterBlocks } from '../../nodes/endpoints.ts';
import { offerToAll } from '../../nodes/offer-to-all.ts';
import { rpcEndpoint } from '../../nodes/json-rpc.ts';
import type { SignerPanel } from '../../signers/panel.ts';
import { allChangeScripts, changeByScript, keepChangeAddress } from '../../store/change-addresses.ts';
import { coinsAt, markSpent, type NewCoin, releaseCoins, rollBackCoins, upsertCoins } from '../../store/coins.ts';
import type { Database } from '../../store/database.ts';
import { allWatchKeys, derivations, ownersOfKeys } from '../../store/deposit-addresses.ts';
import { rememberWalletKey, walletKeys } from '../../store/wallet-keys.ts';
import { watchIndex, type WatchIndexOptions } from '../../store/watch-index.ts';
import type { LoadedBlock, Network } from '../network.ts';
import { blocksAhead } from './blocks-ahead.ts';
import { bitcoinCosts } from './bitcoin-costs.ts';
import { bitcoinMempool } from './bitcoin-mempool.ts';
import { bitcoinNode } from './bitcoin-node.ts';
import { bitcoinPayments } from './bitcoin-payments.ts';
import { bitcoinRebuild } from './bitcoin-rebuild.ts';
import { bitcoinReplacement } from './bitcoin-replacement.ts';
import { bitcoinSkims } from './bitcoin-skims.ts';
import { coldCoin, coldScripts } from './cold-coins.ts';
import { frostWallet } from './frost-wallet.ts';
import { multisigWallet } from './multisig-wallet.ts';
import { ownCoinMoves } from './own-coin-moves.ts';
import { depositBranch, type WalletKind } from './wallet-kind.ts';

/**
 * A Bitcoin network from its configuration row. @param deps `multisig`: the wallet that the policy names; null for FROST.
 * `consolidation`: the policy's rule.
 */
export function bitcoinNetwork(
  config: BitcoinNetwork,
  deps: {
    db: Database;
    panel: SignerPanel;
    nativeAsset: AssetCode;
    multisig: MultisigWalletPolicy | null;
    consolidation: BitcoinNetworkPolicy['consolidation'];
    /** Of the policy. */
    coldAddresses: readonly string[];
    log?: WatchIndexOptions['log'];
    /** The least work of a block that the signers believe; null where the policy does not list the network. */
    easiestBits: string | null;
  },
): Network {
  const { db, panel, nativeAsset, multisig, consolidation, easiestBits } = deps;
  const id = parseNetworkId(config.id);
  const params = bitcoinParams(id);
  const endpoints = config.endpoints.map((url) => rpcEndpoint(url));
  const returnAfter = returnAfterBlocks(config.final_confirmations);
  const node = bitcoinNode(endpoints, { quorum: quorumOf(config), returnAfterBlocks: returnAfter, easiestBits });
  const coldKeys = config.cold_keys.map((key) => hexToBytes(key));
  const watch = watchIndex(db, id, ['deposit_address', 'change_address', 'coin'], deps);
  let watched: WalletKind | undefined;
  const content = blocksAhead(node.block);

  /**
   * The wallet with the keys of each epoch, the newest first. FROST keys are in the database, the first one once all signers
   * have reported the same. Another server may have taken a newer one over, so it is asked each time.
   */
  async function wallets(): Promise<WalletKind[]> {
    if (multisig) return [(watched ??= await watchedMultisig(multisig))];
    const known = await walletKeys(db, id);
    const keys = known.length > 0 ? known : [await rememberWalletKey(db, await panel.frostWallet(id))];
    return keys.map((key) => frostWallet(key, coldKeys, params, panel));
  }

  async function walletOf(epoch?: number): Promise<WalletKind> {
    const all = await wallets();
    const found = epoch === undefined ? all[0] : all.find((one) => one.epoch === epoch);
    if (!found) throw new Failure('key-missing', `${id} has no key of epoch ${epoch ?? 'any'} here`);
    return found;
  }

  async function watchedMultisig(named: MultisigWalletPolicy): Promise<WalletKind> {
    const kind = multisigWallet(named, id, panel);
    await keepChangeAddress(db, { network: id, ...kind.changeAddress });
    return kind;
  }

  /** A refill may come before any change does. */
  const watchChange = async (): Promise<void> => void (multisig && (await wallets()));

  async function loadBlock(height: number, hash: string): Promise<LoadedBlock> {
    await watchChange();
    const parsed = await content.take(hash);
    const { scripts, outpoints } = candidates(parsed);
    const [found, cold] = [await watch.among([...scripts, ...outpoints]), await coldScripts(db, id)];
    const [deposits, changes, coins] = await Promise.all([
      ownersOfKeys(db, id, found),
      changeByScript(db, id, found),
      coinsAt(db, id, found),
    ]);
    const owners = new Map<string, AddressOwner>();
    for (const owner of deposits.values()) owners.set(owner.address, owner);
    for (const change of changes.values()) owners.set(change.address, { kind: 'hot' });
    // A spent coin's address may not be in this block's outputs; its coins are ours whoever's deposit they were.
    for (const coin of coins.values()) if (!owners.has(coin.address)) owners.set(coin.address, { kind: 'hot' });
    for (const address of cold.values()) owners.set(address, { kind: 'cold' });
    const addressOf = (script: string) => {
      const address = deposits.get(script)?.address ?? changes.get(script)?.address ?? cold.get(script);
      return address === undefined ? undefined : { address, kind: deposits.has(script) ? 'deposit' : 'hot' };
    };
    const isStrangers = deposits.size + changes.size + coins.size === 0 && !scripts.some((script) => cold.has(script));
    const block = scanBitcoinBlock(isStrangers ? { ...parsed, txs: [] } : parsed, {
      height,
      asset: nativeAsset,
      watch: {
        addressOfScript: addressOf,
        coinAt: (outpoint) => {
          const coin = coins.get(outpoint);
          return coin && { address: coin.address, amount: baseUnits(coin.amount) };
        },
      },
    });
    return {
      block,
      ownerOf: (address) => owners.get(address),
      async record(sql, blockId) {
        if (isStrangers) return;
        const places = await derivations(
          sql,
          id,
          [...deposits.values()].map((owner) => owner.addressId),
        );
        const created: NewCoin[] = parsed.txs.flatMap((tx) =>
          tx.outputs.flatMap((output, vout) => {
            const deposit = deposits.get(output.script);
            const change = changes.get(output.script);
            const sealed = cold.get(output.script);
            if (sealed !== undefined) return [coldCoin(sealed, { ...output, txid: tx.txid, vout }, tx.isCoinbase)];
            if (!deposit && !change) return [];
            const place = deposit ? places.get(deposit.addressId)! : change!;
            const address = deposit?.address ?? change!.address;
            return [
              {
                txid: tx.txid,
                vout,
                address,
                script: output.script,
                branch: deposit ? 0 : 1,
                derivationIndex: place.index,
                epoch: place.epoch,
                amount: output.amountSats,
                coinbase: tx.isCoinbase,
              },
            ];
          }),
        );
        await upsertCoins(sql, id, { id: blockId, height }, created);
        const own = new Set([...coins.keys(), ...created.map((coin) => `${coin.txid}:${coin.vout}`)]);
        const spends = parsed.txs.flatMap((tx) =>
          tx.inputs
            .map((input) => ({ outpoint: `${input.txid}:${input.vout}`, spentBy: tx.txid }))
            .filter((spend) => own.has(spend.outpoint)),
        );
        await markSpent(sql, id, blockId, spends);
      },
    };
  }

  return {
    id,
    family: 'bitcoin',
    config,
    nativeAsset,
    parseAddress: (text, pointer) => parseBitcoinAddress(text, params, pointer).address,
    async isOwnWallet(address) {
      await watchChange();
      const { script } = parseBitcoinAddress(address, params);
      return (await changeByScript(db, id, [script])).size > 0;
    },
    watchKey: (address) => parseBitcoinAddress(address, params).script,
    depositAddress: async (_customerId, index) => {
      const { derive, epoch } = await walletOf();
      return { address: derive([depositBranch, index]).address, epoch };
    },
    watchAll: watch.catchUp,
    nodes: node.nodes,
    hashAt: (height) => node.hashAt(height),
    loadBlock,
    fetchAhead: content.fetch,
    unrecord: rollBackCoins,
    async chainBalances(height, hash) {
      const scripts = await allScripts(db, id);
      if (scripts.length === 0) return new Map([[nativeAsset, 0n]]);
      const found = await node.holdings(scripts);
      if (found.bestBlock !== hash) {
        throw new Failure(
          'node-unavailable',
          `the node's tip is ${found.height}, the applied tip of ${id} is ${height}`,
          { fix: 'Ask again when the server has followed.' },
        );
      }
      return new Map([[nativeAsset, found.sats]]);
    },
    ...bitcoinSkims(config, { ...deps, node, params, walletOf }),
    broadcast: (raw) =>
      offerToAll(endpoints, (endpoint) => endpoint.call('sendrawtransaction', [Buffer.from(raw).toString('hex')])),
    abandon: releaseCoins,
    costs: bitcoinCosts(config, node, multisig !== null),
    rebuild: bitcoinRebuild(id, walletOf),
    mempool: bitcoinMempool({ id, nativeAsset }, { db, node, watch }),
    ...bitcoinPayments(config, { node, params, walletOf }),
    replacePayment: bitcoinReplacement(config, { node, walletOf }),
    ...(multisig ? {} : { hasEpochs: true }),
    moveOwnCoins: ownCoinMoves(config, { node, wallets, rule: consolidation }),
  };
}

/** Output scripts of all addresses that are ours, hex. */
async function allScripts(db: Database, id: string): Promise<string[]> {
  const cold = await coldScripts(db, id);
  return [...(await allWatchKeys(db, id)), ...(await allChangeScripts(db, id)), ...cold.keys()];
}
