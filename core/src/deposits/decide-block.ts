import type { ScannedBlock, ScannedTransaction, ScannedTransfer } from '../chains/chain.ts';
import { chainAccount, type WatchedKind } from './chain-account.ts';
import { type Arrivals, matchOwnMoves } from './match-own-moves.ts';
import { accountCodes } from '../ledger/account-codes.ts';
import type { Posting } from '../ledger/posting.ts';
import type { AssetCode } from '../money/asset.ts';
import { baseUnits, type BaseUnits } from '../money/base-units.ts';
import type { Family, NetworkId } from '../money/network.ts';

/** Who a watched address belongs to. */
export type AddressOwner =
  | {
      readonly kind: 'deposit';
      readonly addressId: string;
      readonly customerId: string;
      /** It was issued on another network, where the same forwarder has the same address. */
      readonly elsewhere?: true;
    }
  | { readonly kind: 'hot' }
  | { readonly kind: 'relayer' }
  /** Sealed: only custodians spend from it. */
  | { readonly kind: 'cold' };

/** One of our own transactions as the block application needs it. */
export interface OwnTransaction {
  readonly id: string;
  readonly kind: 'withdrawal' | 'sweep' | 'skim' | 'emergency' | 'filler';
  readonly refs: readonly string[];
  /** What it pays out of our wallets, base units by asset; empty for what goes from one of them to another. */
  readonly payments: ReadonlyMap<AssetCode, bigint>;
}

export interface BlockState {
  readonly network: NetworkId;
  readonly family: Family;
  readonly nativeAsset: AssetCode;
  /** Id of this application of the block; postings carry it as their cause. */
  readonly blockId: bigint;
  readonly ownerOf: (address: string) => AddressOwner | undefined;
  readonly ownByRef: ReadonlyMap<string, OwnTransaction>;
  readonly confirmationsFor: (asset: AssetCode, amount: BaseUnits) => number;
}

export interface SeenDeposit {
  readonly txid: string;
  readonly index: string;
  readonly asset: AssetCode;
  readonly addressId: string;
  readonly customerId: string;
  readonly amount: BaseUnits;
  /** Null for one that is credited when it is deep enough. */
  readonly doubt: NonNullable<ScannedTransfer['doubt']> | 'wrong-network' | null;
  readonly state: 'seen' | 'quarantined' | 'rejected';
  readonly confirmationsRequired: number;
}

export interface Inclusion {
  readonly transactionId: string;
  readonly txid: string;
  /** False when the transaction was mined and did nothing (reverted): only its fee was spent. */
  readonly succeeded: boolean;
  /** Network fee in the native asset that we paid; 0 when a stranger relayed it. */
  readonly fee: BaseUnits;
  /** Deposit addresses that it emptied, by asset: `<address> <asset>`. */
  readonly emptied: ReadonlySet<string>;
}

export interface BlockAlarm {
  readonly code:
    | 'unexplained-outflow'
    | 'payment-differs'
    | 'unattributed-arrival'
    | 'moved-to-cold'
    | 'sweep-moved-nothing'
    | 'payment-reverted'
    | 'token-unread';
  readonly subject: string;
  readonly message: string;
}

export interface BlockChanges {
  readonly deposits: SeenDeposit[];
  readonly inclusions: Inclusion[];
  readonly postings: Posting[];
  readonly alarms: BlockAlarm[];
}

/**
 * What one block means: deposits seen, own transactions included, and one posting for each transfer of a watched
 * address, so that the ledger's chain accounts equal the chain at this block. A transfer that nothing explains is
 * posted to `unexplained` or `suspense` and raises an alarm; nothing is dropped.
 */
export function decideBlock(block: ScannedBlock, state: BlockState): BlockChanges {
  const changes: BlockChanges = { deposits: [], inclusions: [], postings: [], alarms: [] };
  tellUnread(block, state, changes);
  let ordinal = 0;
  const post = (debit: string, credit: string, amount: bigint): void => {
    if (amount === 0n) return;
    changes.postings.push({
      idem: `block/${state.blockId}/${ordinal++}`,
      cause: `block:${state.blockId}`,
      debit,
      credit,
      amount: baseUnits(amount),
    });
  };
  for (const transaction of block.transactions) {
    const own = transaction.refs.map((ref) => state.ownByRef.get(ref)).find((known) => known !== undefined);
    if (own) decideOwn(transaction, own, state, changes, post);
    else decideForeign(transaction, state, changes, post);
  }
  return changes;
}

/** Nothing of what arrives is from our own wallets. */
const nothing: Arrivals = { take: (_kind, _asset, amount) => amount };

type Post = (debit: string, credit: string, amount: bigint) => void;

const isUnread = ({ doubt }: ScannedTransfer): boolean => doubt === 'balance-unread';

/** Subject of the alarm that sets an asset aside while it is open. */
export const unreadSubject = (network: NetworkId, asset: AssetCode): string => `${network} ${asset} balance`;

function tellUnread({ height, transactions }: ScannedBlock, { network }: BlockState, changes: BlockChanges): void {
  const assets = new Set(transactions.flatMap(({ transfers }) => transfers.filter(isUnread).map(({ asset }) => asset)));
  for (const asset of assets) {
    changes.alarms.push({
      code: 'token-unread',
      subject: unreadSubject(network, asset),
      message: `${asset} on ${network} answered no balance of our addresses at block ${height}: what came is in quarantine, and nothing of it is credited, collected or paid until this alarm is closed`,
    });
  }
}

function accountOf(transfer: ScannedTransfer, state: BlockState): { kind: WatchedKind; account: string } | undefined {
  const owner = state.ownerOf(transfer.address);
  if (!owner) return undefined;
  return { kind: owner.kind, account: chainAccount(owner.kind, state.family, state.network, transfer.asset) };
}

/** Own transaction: what leaves and returns passes through `in_flight`, and what stays there is what its payments took. */
function decideOwn(
  transaction: ScannedTransaction,
  own: OwnTransaction,
  state: BlockState,
  changes: BlockChanges,
  post: Post,
): void {
  const net = new Map<AssetCode, bigint>();
  const emptied = new Set<string>();
  const unread = new Map<AssetCode, string>();
  let relayerFee = 0n;
  const { ours, strangers } = splitTransfers(transaction, own, state);
  for (const transfer of ours) {
    const found = accountOf(transfer, state);
    if (!found) continue;
    if (transfer.index === 'fee') {
      relayerFee += transfer.amount;
      post(accountCodes.feesPaid(state.network, transfer.asset), found.account, transfer.amount);
      continue;
    }
    // What a payee's contract passes on to one of our customers is that customer's deposit, not change of ours.
    if (transfer.direction === 'in' && found.kind === 'deposit') {
      decideArrival(transfer, transaction, state, changes, post, nothing);
      continue;
    }
    if (isUnread(transfer)) {
      if (transfer.direction === 'out' && found.kind === 'hot') unread.set(transfer.asset, found.account);
      continue;
    }
    const inFlight = accountCodes.inFlight(state.network, transfer.asset);
    if (transfer.direction === 'out' && found.kind === 'deposit') emptied.add(`${transfer.address} ${transfer.asset}`);
    if (transfer.direction === 'out') post(inFlight, found.account, transfer.amount);
    else post(found.account, inFlight, transfer.amount);
    net.set(
      transfer.asset,
      (net.get(transfer.asset) ?? 0n) + (transfer.direction === 'out' ? transfer.amount : -transfer.amount),
    );
  }
  decideForeign({ ...transaction, transfers: strangers }, state, changes, post);
  for (const [asset, amount] of paidUnread(transaction, own, state, { unread, changes, post })) net.set(asset, amount);
  // A Safe transaction shows its own hash only when it ran; matched by transaction id alone it was mined and reverted.
  // A sweep has no outcome of its own: each forwarder either paid the vault or did not. A pause shows in the guard.
  const succeeded =
    state.family === 'bitcoin' ||
    (own.kind !== 'withdrawal' && own.kind !== 'skim') ||
    transaction.refs.some((ref) => ref.startsWith('safe:') && own.refs.includes(ref));
  let minerFee = 0n;
  if (state.family === 'bitcoin') {
    minerFee = (net.get(state.nativeAsset) ?? 0n) - (own.payments.get(state.nativeAsset) ?? 0n);
    if (minerFee > 0n) {
      post(
        accountCodes.feesPaid(state.network, state.nativeAsset),
        accountCodes.inFlight(state.network, state.nativeAsset),
        minerFee,
      );
      net.set(state.nativeAsset, (net.get(state.nativeAsset) ?? 0n) - minerFee);
    }
  }
  tellDifferences(transaction, own, { net, succeeded }, changes);
  changes.inclusions.push({
    transactionId: own.id,
    txid: transaction.txid,
    succeeded,
    fee: baseUnits(relayerFee + (minerFee > 0n ? minerFee : 0n)),
    emptied,
  });
}

/** @param outcome what it took, by asset; where it was reverted it should have taken nothing. */
function tellDifferences(
  { txid }: ScannedTransaction,
  own: OwnTransaction,
  outcome: { readonly net: ReadonlyMap<AssetCode, bigint>; readonly succeeded: boolean },
  changes: BlockChanges,
): void {
  const { net, succeeded } = outcome;
  for (const asset of new Set([...net.keys(), ...own.payments.keys()])) {
    const expected = succeeded ? (own.payments.get(asset) ?? 0n) : 0n;
    const took = net.get(asset) ?? 0n;
    if (took === expected) continue;
    changes.alarms.push({
      code: 'payment-differs',
      subject: own.id,
      message: `transaction ${txid} took ${took} base units of ${asset} where its payments are ${expected}`,
    });
  }
}

/**
 * Where no balance says what the vault paid, the books take the payment as made, since the vault ran the call, and a person
 * looks before it is settled. @param unread by asset the vault's account. @returns what was taken, by asset.
 */
function paidUnread(
  { txid }: ScannedTransaction,
  own: OwnTransaction,
  { network }: BlockState,
  { unread, changes, post }: { unread: ReadonlyMap<AssetCode, string>; changes: BlockChanges; post: Post },
): Map<AssetCode, bigint> {
  const taken = new Map<AssetCode, bigint>();
  for (const [asset, account] of own.kind === 'withdrawal' ? unread : []) {
    const amount = own.payments.get(asset) ?? 0n;
    post(accountCodes.inFlight(network, asset), account, amount);
    taken.set(asset, amount);
    changes.alarms.push({
      code: 'payment-differs',
      subject: own.id,
      message: `transaction ${txid} should have paid ${amount} base units of ${asset}, which answers no balance of the vault: look at the payees before this is closed`,
    });
  }
  return taken;
}

/**
 * In a payment of the vault only what leaves the vault, and the gas, are our doing. Whatever else moves is the doing of a
 * payee's contract or of whoever sent the transaction: a coin that bounces back must not look like a smaller payment.
 */
function splitTransfers(
  { transfers }: ScannedTransaction,
  own: OwnTransaction,
  state: BlockState,
): { ours: readonly ScannedTransfer[]; strangers: readonly ScannedTransfer[] } {
  const isPayment = own.kind === 'withdrawal' || own.kind === 'skim';
  if (state.family !== 'evm' || !isPayment) return { ours: transfers, strangers: [] };
  const isOurs = ({ index, direction, address }: ScannedTransfer): boolean => {
    const kind = state.ownerOf(address)?.kind;
    const isSkimmed = own.kind === 'skim' && direction === 'in' && kind === 'cold';
    return isSkimmed || (index === 'fee' && kind === 'relayer') || (direction === 'out' && kind === 'hot');
  };
  return { ours: transfers.filter(isOurs), strangers: transfers.filter((one) => !isOurs(one)) };
}

function decideForeign(transaction: ScannedTransaction, state: BlockState, changes: BlockChanges, post: Post): void {
  const { transfers, txid } = transaction;
  // Anyone may call a forwarder's flush, and custodians ask nobody here: what arrives at a wallet of ours from another is a
  // move between our accounts.
  const kindOf = ({ address }: ScannedTransfer): WatchedKind | undefined => state.ownerOf(address)?.kind;
  const read = transfers.filter((transfer) => !isUnread(transfer));
  const { moves, unmatched } = matchOwnMoves(read, kindOf, state.family);
  const lost = moves.filter(({ to, transfer }) => to === null && !isColdGas(transfer, state));
  // Nothing but what the miner took has left us.
  const isFee =
    transaction.minerFee !== undefined && sumOf(lost) === transaction.minerFee && moves.length > lost.length;
  for (const { transfer, from, to, amount } of moves) {
    const { asset, address } = transfer;
    const account = chainAccount(from, state.family, state.network, asset);
    if (to !== null) {
      const target = chainAccount(to, state.family, state.network, asset);
      if (target !== account) post(target, account, amount);
      if (to === 'cold' && from !== 'cold') changes.alarms.push(movedToCold(transfer, amount, transaction, state));
    } else if (isFee || isColdGas(transfer, state)) {
      post(accountCodes.feesPaid(state.network, asset), account, amount);
    } else {
      post(accountCodes.unexplained(state.network, asset), account, amount);
      changes.alarms.push({
        code: 'unexplained-outflow',
        subject: `${txid}/${transfer.index}`,
        message: `${amount} base units of ${asset} left ${address} on ${state.network} in ${txid}, which the signers did not sign for us`,
      });
    }
  }
  for (const transfer of transfers) {
    if (transfer.direction === 'in') decideArrival(transfer, transaction, state, changes, post, unmatched);
  }
}

/** A cold address that is an account pays its own gas. */
function isColdGas({ index, address }: ScannedTransfer, state: BlockState): boolean {
  return index === 'fee' && state.ownerOf(address)?.kind === 'cold';
}

function sumOf(moves: readonly { readonly amount: bigint }[]): bigint {
  return moves.reduce((sum, { amount }) => sum + amount, 0n);
}

function movedToCold(
  { asset, address, index }: ScannedTransfer,
  amount: bigint,
  { txid }: ScannedTransaction,
  { network }: BlockState,
): BlockAlarm {
  const message = `${amount} base units of ${asset} went from ${address} on ${network} to a sealed cold address in ${txid}: an evacuation or a recovery, which this server did not ask for`;
  const alarm = { code: 'moved-to-cold' as const, subject: `${txid}/${index}`, message };
  return alarm;
}

function decideArrival(
  transfer: ScannedTransfer,
  transaction: ScannedTransaction,
  state: BlockState,
  changes: BlockChanges,
  post: Post,
  unmatched: Arrivals,
): void {
  const owner = state.ownerOf(transfer.address);
  if (!owner) return;
  const account = chainAccount(owner.kind, state.family, state.network, transfer.asset);
  if (owner.kind === 'deposit') {
    const doubt = transfer.doubt ?? (owner.elsewhere ? 'wrong-network' : null);
    const waiting = doubt === null ? accountCodes.unconfirmed : accountCodes.quarantine;
    if (doubt !== 'nothing-arrived' && doubt !== 'balance-unread')
      post(account, waiting(state.network, transfer.asset), transfer.amount);
    changes.deposits.push({
      txid: transaction.txid,
      index: transfer.index,
      asset: transfer.asset,
      addressId: owner.addressId,
      customerId: owner.customerId,
      amount: transfer.amount,
      doubt,
      state: doubt === null ? 'seen' : doubt === 'nothing-arrived' ? 'rejected' : 'quarantined',
      confirmationsRequired: Math.max(state.confirmationsFor(transfer.asset, transfer.amount), transfer.maturity ?? 1),
    });
    return;
  }
  if (isUnread(transfer)) return;
  const unattributed = unmatched.take(owner.kind, transfer.asset, transfer.amount);
  if (unattributed === 0n) return;
  if (owner.kind === 'relayer') {
    post(account, accountCodes.capital(transfer.asset), unattributed);
    return;
  }
  post(account, accountCodes.suspense(state.network, transfer.asset), unattributed);
  changes.alarms.push({
    code: 'unattributed-arrival',
    subject: `${transaction.txid}/${transfer.index}`,
    message: `${unattributed} base units of ${transfer.asset} reached our wallet ${transfer.address} without a deposit address; they wait in suspense`,
  });
}
