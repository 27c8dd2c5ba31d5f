import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import { reserveCoins } from '../../store/coins.ts';
import { coinScripts, restoreChangeAddress, setUnsigned, storedContent } from '../../store/rebuild.ts';
import type { RebuildFunctions } from '../network.ts';
import type { UnsignedBitcoin } from './bitcoin-payments.ts';
import { changeBranch, type WalletKind } from './wallet-kind.ts';

/** Payments and sweeps of the coins as they were stored, from what the signers were asked to sign. */
export function bitcoinRebuild(network: string, walletOf: (epoch?: number) => Promise<WalletKind>): RebuildFunctions {
  return {
    plan(request) {
      if (!('raw_tx' in request)) throw new Failure('transaction-malformed', `${network} signs Bitcoin transactions`);
      const { raw_tx: rawTx, input_paths: inputPaths, change, epoch, sweep, consolidation, skim } = request;
      const { txid, inputs } = inspectBitcoinTransaction(rawTx);
      const unsigned: UnsignedBitcoin = {
        raw_tx: rawTx,
        input_paths: inputPaths,
        change,
        // Known when the blocks have been read.
        prevouts: [],
        ...(epoch === undefined ? {} : { epoch }),
        ...(sweep === undefined ? {} : { sweep }),
        ...(consolidation === undefined ? {} : { consolidation }),
        ...(skim === undefined ? {} : { skim }),
      };
      return {
        unsigned,
        conflictKeys: inputs.map((input) => `coin:${input.txid}:${input.vout}`),
        refs: [`tx:${txid}`],
      };
    },

    async watch(sql, request) {
      if (!('raw_tx' in request)) return;
      const wallet = await walletOf(request.sweep ?? request.epoch ?? firstEpoch);
      if (wallet.changeAddress) return;
      const { epoch } = wallet;
      for (const { index } of request.change) {
        const { address, script } = wallet.derive([changeBranch, index]);
        await restoreChangeAddress(sql, { network, index, address, script, epoch });
      }
    },

    async reclaim(sql, transactionId) {
      const { unsigned, conflictKeys } = await storedContent(sql, transactionId);
      const outpoints = conflictKeys.map((key) => key.slice('coin:'.length));
      await reserveCoins(sql, network, outpoints, transactionId);
      const coins = await coinScripts(sql, network, outpoints);
      const prevouts = outpoints.flatMap((outpoint) => coins.get(outpoint) ?? []);
      // A coin that no block holds any more cannot be spent: the transaction stays unsigned, and says why.
      if (prevouts.length === outpoints.length) await setUnsigned(sql, transactionId, { ...unsigned, prevouts });
    },
  };
}
