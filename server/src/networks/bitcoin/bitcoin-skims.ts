import { batchVsize } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import type { BitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import { inputsMax } from '@holdfast/core/signing/messages.ts';
import type { BitcoinNetwork } from '../../config.ts';
import { insertChangeAddress, nextChangeIndex } from '../../store/change-addresses.ts';
import { largestFreeCoins } from '../../store/coins.ts';
import type { Database } from '../../store/database.ts';
import { insertRefillAddress, unusedRefillIndex } from '../../store/refill-addresses.ts';
import type { Network } from '../network.ts';
import type { BitcoinNode } from './bitcoin-node.ts';
import { coldCoins } from './cold-coins.ts';
import { changeBranch, depositBranch, type WalletKind } from './wallet-kind.ts';

/** Witness program of 32 bytes, the longest output that a wallet pays: only its length counts here. */
const longScript = `0020${'00'.repeat(32)}`;

/** What is at cold, how much of the newest keys' coins one transaction can take there, and where a refill goes. */
export function bitcoinSkims(
  config: BitcoinNetwork,
  deps: {
    readonly db: Database;
    readonly node: BitcoinNode;
    readonly params: BitcoinParams;
    readonly nativeAsset: AssetCode;
    readonly coldAddresses: readonly string[];
    readonly walletOf: () => Promise<WalletKind>;
  },
): Pick<Network, 'cold' | 'skimmable' | 'refillAddress'> {
  const { db, node, params, nativeAsset, walletOf } = deps;
  const { id } = config;
  return {
    cold: coldCoins(id, params, { node, nativeAsset, addresses: deps.coldAddresses }),

    async skimmable() {
      const wallet = await walletOf();
      const feeRate = await node.feeRate(config.fee_rate_default);
      const { count, sats } = await largestFreeCoins(db, id, {
        epoch: wallet.epoch,
        tipHeight: await node.height(),
        finalConfirmations: config.final_confirmations,
        limit: inputsMax,
      });
      const coins = Array.from({ length: count }, () => ({ witnessBytes: wallet.witnessBytes([depositBranch, 0]) }));
      // As if there were change: one without costs less, and the difference is the miner's.
      const feeSats = BigInt(Math.ceil(batchVsize(coins, [longScript, longScript]) * feeRate));
      return new Map([[nativeAsset, sats > feeSats ? sats - feeSats : 0n]]);
    },

    async refillAddress(sql) {
      const wallet = await walletOf();
      if (wallet.changeAddress) return { address: wallet.changeAddress.address, index: 0 };
      const unused = await unusedRefillIndex(sql, id, wallet.epoch);
      if (unused !== null) return { address: wallet.derive([changeBranch, unused]).address, index: unused };
      const index = await nextChangeIndex(sql, id);
      const { address, script } = wallet.derive([changeBranch, index]);
      await insertChangeAddress(sql, { network: id, index, epoch: wallet.epoch, address, script });
      await insertRefillAddress(sql, id, index);
      return { address, index };
    },
  };
}
