import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { intentDigestHex } from '@holdfast/core/signing/intent.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { evmPolicyOf } from './review-context.ts';

/** The transaction's name and its intents' digests, straight from the bytes; says nothing about whether they may be signed. */
export function identifyRequest(request: SigningRequest, policy: Policy): { txid: string; digests: string[] } {
  const { intents, network } = request.body;
  const digests = intents.map(({ intent }) => intentDigestHex(intent));
  if (request.family === 'bitcoin') return { txid: inspectBitcoinTransaction(request.body.raw_tx).txid, digests };
  const { safe } = evmPolicyOf(policy, network);
  const chainId = evmChainId(parseNetworkId(network));
  return { txid: bytesToHex(safeTransactionHash({ chainId, safe, tx: request.body.safe_transaction })), digests };
}
