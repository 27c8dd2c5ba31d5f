import { encodeMultiSend } from '@holdfast/core/chains/evm/build.ts';
import { inspectSafeTransaction } from '@holdfast/core/chains/evm/inspect.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { EvmNetwork } from '../../config.ts';
import type { RebuildFunctions } from '../network.ts';
import type { UnsignedEvm } from './evm-payments.ts';

/** Payments of the Safe as they were stored, from what the signers were asked to sign. */
export function evmRebuild(config: EvmNetwork): RebuildFunctions {
  const chainId = evmChainId(parseNetworkId(config.id));
  const { safe } = config;
  const rules = {
    safe,
    multiSend: config.multi_send,
    guard: config.guard ?? null,
    tokens: config.assets.flatMap(({ contract }) => contract ?? []),
  };
  return {
    plan(request) {
      if (!('safe_transaction' in request))
        throw new Failure('transaction-malformed', `${config.id} signs Safe transactions`);
      const { safe_transaction: tx } = request;
      const { payments, notAfterS } = inspectSafeTransaction(tx, rules);
      const legs = payments.map(({ contract, to, amount }) =>
        contract === null ? { kind: 'native' as const, to, amount } : { kind: 'erc20' as const, contract, to, amount },
      );
      const unsigned: UnsignedEvm = {
        safe_transaction: tx,
        not_after_ms: notAfterS === null ? null : (notAfterS * 1_000n).toString(),
        simulation: encodeMultiSend(legs, null),
        legs: legs.length,
        ...(request.skim && { skim: true }),
      };
      return {
        unsigned,
        conflictKeys: [`safe:${safe.toLowerCase()}:${tx.nonce}`],
        refs: [`safe:${bytesToHex(safeTransactionHash({ chainId, safe, tx }))}`],
      };
    },
    // A Safe has no change and holds no coins for a payment.
    watch: async () => undefined,
    reclaim: async () => undefined,
  };
}
