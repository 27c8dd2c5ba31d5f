import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import type { BitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import { type NewCoin, upsertCoins } from '../../store/coins.ts';
import { coldWallets } from '../../store/cold-wallets.ts';
import type { Sql } from '../../store/database.ts';
import type { Network } from '../network.ts';
import type { BitcoinNode } from './bitcoin-node.ts';

/** Coins of custodians are of no epoch of ours: nothing that picks coins for a payment ever asks for these. */
const noEpoch = 0;

/** A coin at a cold address, as the table of coins has it. */
export function coldCoin(
  address: string,
  output: { readonly txid: string; readonly vout: number; readonly script: string; readonly amountSats: bigint },
  coinbase: boolean,
): NewCoin {
  const { txid, vout, script, amountSats: amount } = output;
  return { txid, vout, address, script, branch: 0, derivationIndex: 0, epoch: noEpoch, amount, coinbase };
}

/** Watched cold addresses by script, hex. */
export async function coldScripts(sql: Sql, network: string): Promise<Map<string, string>> {
  return new Map((await coldWallets(sql, network)).map(({ watch_key: script, address }) => [script, address]));
}

/** What cold addresses hold, by the nodes' own set of unspent outputs. */
export function coldCoins(
  network: string,
  params: BitcoinParams,
  deps: { readonly node: BitcoinNode; readonly nativeAsset: AssetCode; readonly addresses: readonly string[] },
): Network['cold'] {
  const { node, nativeAsset } = deps;
  return {
    addresses: deps.addresses.map((address) => parseBitcoinAddress(address, params).address),
    async read(addresses, at) {
      const addressOf = new Map(addresses.map((text) => [parseBitcoinAddress(text, params).script, text]));
      const found = await node.coins([...addressOf.keys()]);
      if (found.bestBlock !== at.hash)
        throw new Failure(
          'node-unavailable',
          `the nodes are at block ${found.height}, the applied tip is ${at.height}`,
        );
      const coins = found.coins.map(({ sats, coinbase, ...output }) => {
        const address = addressOf.get(output.script);
        invariant(address !== undefined, `output ${output.txid}:${output.vout} is at an address that was asked for`);
        return coldCoin(address, { ...output, amountSats: BigInt(sats) }, coinbase);
      });
      return {
        amounts: new Map([[nativeAsset, coins.reduce((sum, { amount }) => sum + amount, 0n)]]),
        record: async (sql, block) => upsertCoins(sql, network, block, coins),
      };
    },
  };
}
