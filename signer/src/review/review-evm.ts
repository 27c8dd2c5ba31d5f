import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { inspectSafeTransaction } from '@holdfast/core/chains/evm/inspect.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import { checkIntents } from '@holdfast/core/signing/check-intents.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { matchPayments } from '@holdfast/core/signing/match-payments.ts';
import type { SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { EvmNetwork } from '../config.ts';
import type { SafeView } from '../nodes/evm-node.ts';
import { verifyEd25519, type PinnedKeys } from './intent-rules.ts';

export interface EvmReviewContext {
  readonly network: EvmNetwork;
  readonly keys: PinnedKeys;
  /** Whether this signer handed the address (EIP-55) out as a deposit address. */
  readonly isDepositAddress: (address: string) => boolean;
}

/**
 * Decides from the raw Safe transaction and this signer's config whether the transaction pays exactly the intents. It
 * comes before anything that costs a node's time or changes the journal; the chain (`checkNonce`), history and limits
 * (`decideAcceptance`) come after.
 * @returns `hash`: the 32 bytes to sign, EIP-712.
 * @throws Failure with the reason of the refusal.
 */
export function reviewEvm(
  request: SignEvmRequest,
  context: EvmReviewContext,
): { reviewed: Omit<ReviewedTransaction, 'height'>; hash: Uint8Array } {
  const { network } = context;
  const tx = request.safe_transaction;
  const own = ownContracts(network);
  const intents = checkIntents(request.intents, {
    network: network.network,
    keys: context.keys,
    perPaymentMax: new Map(network.assets.map((asset) => [asset.asset, BigInt(asset.per_transaction_max)])),
    verify: verifyEd25519,
    parseDestination: (text) => {
      const address = parseEvmAddress(text);
      return { address, isOwn: own.has(address) || context.isDepositAddress(address) };
    },
  });
  const tokens = network.assets.flatMap((asset) => asset.contract ?? []);
  const { payments } = inspectSafeTransaction(tx, { safe: network.safe, multiSend: network.multi_send, tokens });
  const assetOf = new Map(network.assets.map(({ asset, contract }) => [contract && parseEvmAddress(contract), asset]));
  matchPayments(
    intents.map(({ asset, destination, amount }) => ({ asset, target: destination, amount })),
    payments.map(({ contract, to, amount }) => ({
      asset: assetOf.get(contract) ?? 'an asset not configured',
      target: to,
      amount,
    })),
  );
  const hash = safeTransactionHash({ chainId: evmChainId(parseNetworkId(network.network)), safe: network.safe, tx });
  const conflictKeys = [safeNonceKey(network, tx.nonce)];
  // The relayer pays the gas.
  return { reviewed: { network: network.network, txid: bytesToHex(hash), conflictKeys, intents, fee: 0n }, hash };
}

/** @throws Failure nonce-mismatch unless the transaction is the next one of the Safe on this signer's own nodes. */
export function checkNonce(tx: SignEvmRequest['safe_transaction'], { height, nonce }: SafeView): void {
  if (BigInt(tx.nonce) !== nonce) {
    throw new Failure('nonce-mismatch', `the transaction has nonce ${tx.nonce}, the Safe ${nonce} at block ${height}`);
  }
}

/**
 * Safe.sol raises the nonce with every execution: of two transactions with one nonce, one executes. One address may be a
 * Safe on several networks, each with nonces of its own.
 */
export function safeNonceKey({ network, safe }: Pick<EvmNetwork, 'network' | 'safe'>, nonce: string): string {
  return `${network} ${safe.toLowerCase()} nonce ${nonce}`;
}

/** The nonce in a key of this Safe; null when it is another's. */
export function nonceOfKey(network: Pick<EvmNetwork, 'network' | 'safe'>, key: string): bigint | null {
  const prefix = safeNonceKey(network, '');
  return key.startsWith(prefix) ? BigInt(key.slice(prefix.length)) : null;
}

/** Contracts of the wallet system and the tokens, EIP-55: no customer is paid there. */
function ownContracts(network: EvmNetwork): ReadonlySet<string> {
  const tokens = network.assets.flatMap((asset) => asset.contract ?? []);
  const contracts = [network.safe, network.multi_send, network.forwarder_factory, network.registry, ...tokens];
  return new Set(contracts.map((contract) => parseEvmAddress(contract)));
}
