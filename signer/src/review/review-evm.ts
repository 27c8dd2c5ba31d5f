import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import {
  inspectSafeTransaction,
  type EvmPayment,
  type InspectedSafeTransaction,
} from '@holdfast/core/chains/evm/inspect.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import { guardOf } from '@holdfast/core/policy/guard-of.ts';
import { ownContracts } from '@holdfast/core/policy/own-contracts.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { checkIntents, type CheckedIntent } from '@holdfast/core/signing/check-intents.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { matchPayments } from '@holdfast/core/signing/match-payments.ts';
import type { SafeTransaction, SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { ReviewContext } from './review-context.ts';

/** The part of a node's view of the Safe that a signature depends on. */
export interface SafeNonceView {
  readonly height: number;
  readonly nonce: bigint;
}

/** VaultGuard's horizon, as it is deployed. */
const deadlineAheadMsMax = 86_400_000;

type EvmReviewContext = ReviewContext<EvmNetworkPolicy>;

/**
 * Decides from the raw Safe transaction and the policy, without a node, whether the transaction pays exactly the intents,
 * or, in an evacuation or a skim, sealed cold addresses only. It comes before anything that costs a node's time or changes the
 * journal; the chain (`checkNonce`), history and limits (`decideAcceptance`) come after. A peer's reservation is judged by
 * the same function.
 * @returns `hash`: the 32 bytes to sign, EIP-712.
 * @throws Failure with the reason of the refusal.
 */
export function reviewEvm(
  request: SignEvmRequest,
  context: EvmReviewContext,
): { reviewed: Omit<ReviewedTransaction, 'height'>; hash: Uint8Array } {
  const { network } = context;
  const tx = request.safe_transaction;
  const evacuation = request.evacuation === true;
  const intents = checkEvmIntents(request, context);
  const { payments, notAfterS } = isAllowedCall(request, network) ? noPayments : inspectPayments(tx, network);
  if (notAfterS !== null) checkDeadline(notAfterS, intents, context.nowMs);
  const skim = request.skim === true;
  if (evacuation) refuseUnsealed(request, payments, network);
  else if (skim) checkSkim(request, payments, network);
  else matchToIntents(intents, payments, network);
  const hash = safeTransactionHash({ chainId: evmChainId(parseNetworkId(network.network)), safe: network.safe, tx });
  const conflictKeys = [safeNonceKey(network, tx.nonce)];
  const reviewed = {
    network: network.network,
    txid: bytesToHex(hash),
    conflictKeys,
    intents,
    evacuation,
    ...(skim && { skim: payments.map(({ contract }) => assetsOf(network).get(contract) ?? '') }),
  };
  // The relayer pays the gas.
  return { reviewed: { ...reviewed, fee: 0n }, hash };
}

function checkEvmIntents(request: SignEvmRequest, context: EvmReviewContext): CheckedIntent[] {
  const { policy, network, state, verifiers, nowMs } = context;
  const own = ownContracts(network);
  const parseDestination = (text: string): { address: string; isOwn: boolean } => {
    const address = parseEvmAddress(text);
    return {
      address,
      isOwn: own.has(address.toLowerCase()) || state.ownAddresses.has(`${network.network} ${address}`),
    };
  };
  return checkIntents(request.intents, { policy, network, state, verifiers, nowMs, parseDestination });
}

const noPayments: InspectedSafeTransaction = { payments: [], notAfterS: null };

function inspectPayments(tx: SafeTransaction, network: EvmNetworkPolicy): InspectedSafeTransaction {
  const tokens = network.assets.flatMap((asset) => asset.contract ?? []);
  return inspectSafeTransaction(tx, {
    safe: network.safe,
    multiSend: network.multi_send,
    guard: guardOf(network),
    tokens,
  });
}

/**
 * What is signed must not be kept for later: the guard holds it to its deadline, and the deadline is held to what customers
 * agreed to. Without customers, in an evacuation, it is a day at the most.
 */
function checkDeadline(notAfterS: bigint, intents: readonly CheckedIntent[], nowMs: number): void {
  const latestMs = Math.min(nowMs + deadlineAheadMsMax, ...intents.map(({ expiresAtMs }) => expiresAtMs));
  const notAfterMs = notAfterS * 1_000n;
  if (notAfterMs > BigInt(nowMs) && notAfterMs <= BigInt(latestMs)) return;
  throw new Failure('deadline-refused', `deadline ${notAfterS} is not between now and ${latestMs} ms`);
}

/**
 * A call that pays nothing and that the policy lists by contract and selector. What holds or moves the funds is never
 * among them, whatever a policy says: a token's `approve` would be a payment without an intent.
 */
function isAllowedCall(
  { safe_transaction: tx, intents, evacuation, skim }: SignEvmRequest,
  network: EvmNetworkPolicy,
): boolean {
  if (intents.length > 0 || evacuation === true || skim === true || tx.operation !== 0 || tx.value !== '0')
    return false;
  // The guard would refuse it: governance makes such calls.
  if (guardOf(network) !== null) return false;
  const to = tx.to.toLowerCase();
  const money = [network.safe, network.multi_send, ...network.assets.flatMap((asset) => asset.contract ?? [])];
  if (money.some((contract) => contract.toLowerCase() === to)) return false;
  return network.allowed_calls.some(
    ({ contract, selector }) => contract.toLowerCase() === to && tx.data.slice(0, 10) === selector,
  );
}

function matchToIntents(
  intents: readonly CheckedIntent[],
  payments: readonly EvmPayment[],
  network: EvmNetworkPolicy,
): void {
  const assetOf = assetsOf(network);
  matchPayments(
    intents.map(({ asset, destination, amount }) => ({ asset, target: destination, amount })),
    payments.map(({ contract, to, amount }) => ({
      asset: assetOf.get(contract) ?? 'an asset not configured',
      target: to,
      amount,
    })),
  );
}

/** CAIP-19 by token contract, null for the coin. */
function assetsOf({ assets }: EvmNetworkPolicy): ReadonlyMap<string | null, string> {
  return new Map(assets.map(({ asset, contract }) => [contract && parseEvmAddress(contract), asset]));
}

/**
 * Each asset once, enough of it, to a sealed cold address. It needs nobody's evidence; how often it may be is bounded by
 * budgets of its own. @throws Failure skim-refused.
 */
function checkSkim({ intents }: SignEvmRequest, payments: readonly EvmPayment[], network: EvmNetworkPolicy): void {
  const refuse = (message: string): never => {
    throw new Failure('skim-refused', message);
  };
  if (intents.length > 0) refuse('a skim carries no intents');
  const cold = coldAddresses(network);
  const assetOf = assetsOf(network);
  const rules = new Map(network.assets.map(({ asset, hot }) => [asset, hot]));
  const seen = new Set<string | null>();
  for (const { contract, to, amount } of payments) {
    const asset = assetOf.get(contract);
    const rule = asset === undefined ? undefined : rules.get(asset);
    if (!rule) return refuse(`the policy has no rule for skims of ${contract ?? 'the coin'}`);
    if (seen.has(contract)) refuse(`${asset ?? ''} is skimmed twice`);
    seen.add(contract);
    if (!cold.has(to)) refuse(`${to} is no sealed cold address of the policy`);
    if (amount < BigInt(rule.skim_min))
      refuse(`${amount} of ${asset ?? ''} are skimmed, ${rule.skim_min} are the least`);
  }
  if (seen.size === 0) refuse('nothing is skimmed');
}

function coldAddresses(network: EvmNetworkPolicy): ReadonlySet<string> {
  return new Set(network.cold_addresses.map((address) => parseEvmAddress(address)));
}

function refuseUnsealed(
  { intents, skim }: SignEvmRequest,
  payments: readonly EvmPayment[],
  network: EvmNetworkPolicy,
): void {
  if (skim === true) throw new Failure('evacuation-refused', 'an evacuation is no skim');
  if (intents.length > 0) throw new Failure('evacuation-refused', 'an evacuation carries no intents');
  const cold = coldAddresses(network);
  const open = payments.find(({ to }) => !cold.has(to));
  if (open) throw new Failure('evacuation-refused', `${open.to} is no sealed cold address of the policy`);
}

/** @throws Failure nonce-mismatch unless the transaction is the next one of the Safe on this signer's own nodes. */
export function checkNonce(tx: SafeTransaction, { height, nonce }: SafeNonceView): void {
  if (BigInt(tx.nonce) !== nonce) {
    throw new Failure('nonce-mismatch', `the transaction has nonce ${tx.nonce}, the Safe ${nonce} at block ${height}`);
  }
}

/**
 * Safe.sol raises the nonce with every execution: of two transactions with one nonce, one executes. One address may be a
 * Safe on several networks, each with nonces of its own.
 */
export function safeNonceKey({ network, safe }: Pick<EvmNetworkPolicy, 'network' | 'safe'>, nonce: string): string {
  return `${network} ${safe.toLowerCase()} nonce ${nonce}`;
}

/** The nonce in a key of this Safe; null when it is another's. */
export function nonceOfKey(network: Pick<EvmNetworkPolicy, 'network' | 'safe'>, key: string): bigint | null {
  const prefix = safeNonceKey(network, '');
  return key.startsWith(prefix) ? BigInt(key.slice(prefix.length)) : null;
}
