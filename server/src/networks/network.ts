import type { ScannedBlock } from '@holdfast/core/chains/chain.ts';
import type { StrayToken } from '@holdfast/core/chains/evm/stray-tokens.ts';
import type { AddressOwner } from '@holdfast/core/deposits/decide-block.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import type { BaseUnits } from '@holdfast/core/money/base-units.ts';
import type { Family, NetworkId } from '@holdfast/core/money/network.ts';
import type { TokenFacts } from '@holdfast/core/policy/judge-listing.ts';
import type { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import type { NetworkConfig } from '../config.ts';
import type { Endpoints } from '../nodes/endpoints.ts';
import type { AppliedBlock } from '../store/blocks.ts';
import type { Sql } from '../store/database.ts';

/** A block read from the nodes, with what the database knew of its addresses. */
export interface LoadedBlock {
  readonly block: ScannedBlock;
  readonly ownerOf: (address: string) => AddressOwner | undefined;
  /** The family's own bookkeeping (coins), inside the transaction that applies the block. */
  readonly record: (sql: Sql, blockId: bigint) => Promise<void>;
  /** Tokens that are not listed and reached deposit addresses, with how many more there were. */
  readonly strays?: {
    readonly kept: readonly (StrayToken & { readonly addressId: string })[];
    readonly dropped: number;
  };
  /**
   * What addresses hold at this block, base units in the order asked, null where a token answers no balance; a family whose
   * deposits are swept has it.
   */
  readonly holdings?: (asked: readonly { address: string; asset: AssetCode }[]) => Promise<(bigint | null)[]>;
}

/** A queued withdrawal as a batch plan sees it. */
export interface Payout {
  readonly id: string;
  readonly asset: AssetCode;
  readonly amount: BaseUnits;
  /** Canonical address. */
  readonly destination: string;
  /** When its intent ends, UTC milliseconds. */
  readonly expiresAtMs: number;
}

/** What was read from the chain before a batch is decided. */
export interface BatchOutlook {
  /** Can be paid now, in queue order. */
  readonly payable: readonly Payout[];
  /** Would fail on chain whatever we do; released before anything was signed. */
  readonly impossible: readonly { id: string; reason: string }[];
  /** Waits: the wallet lacks coins, its gas is too dear, ... */
  readonly waiting: readonly { id: string; reason: string }[];
  /** Why the chain lets no payment through at all until people act; null otherwise. EVM only: the guard is paused. */
  readonly paused?: string | null;
  /**
   * Fixes the content inside the deciding transaction.
   * @param payouts the payable ones that are still queued.
   * @returns null when nothing can be built after all.
   */
  readonly build: (sql: Sql, transactionId: string, payouts: readonly Payout[]) => Promise<BatchPlan | null>;
}

export interface BatchPlan {
  /**
   * The content as JSON, all that signing needs beside the intents. Where the chain holds it to a deadline, `not_after_ms`
   * is that (UTC milliseconds, in decimal).
   */
  readonly unsigned: object;
  readonly conflictKeys: readonly string[];
  /** Names by which a block will show it, whoever sends it. */
  readonly refs: readonly string[];
  /** Ids of the payouts that it pays. */
  readonly pays: readonly string[];
}

export type SweepPlan = Omit<BatchPlan, 'pays'>;

/** What signing yields; the bytes are fixed only in the transaction that stores them. */
export interface SignedBatch {
  readonly seal: (sql: Sql) => Promise<StoredTransaction>;
}

export interface StoredTransaction {
  readonly raw: Uint8Array;
  readonly txid: string;
  readonly refs: readonly string[];
  readonly relayerNonce: bigint | null;
  /** Whose nonce that is; the payouts' when left out. */
  readonly relayerLane?: RelayerLane;
}

/** Accounts that pay gas, so that what waits in one keeps nothing in the other waiting. */
export type RelayerLane = 'payout' | 'sweep';

/** One account of the relayer: what is done about calls of it that no block takes. */
export interface LaneFunctions {
  readonly lane: RelayerLane;
  /** Nonce of its next transaction after a block, by its hash; the newest when left out. */
  chainNonce(blockHash?: string): Promise<bigint>;
  /** @throws Failure fee-too-high when the ceiling leaves no room. */
  reprice(raw: Uint8Array, percent: number): Promise<StoredTransaction>;
  renonce(raw: Uint8Array): Promise<(sql: Sql) => Promise<StoredTransaction>>;
  fill(nonce: bigint, earlier: readonly Uint8Array[]): Promise<StoredTransaction>;
}

/** What transactions cost now, by the nodes' estimates; base units of the network's coin. */
export interface NetworkCosts {
  /** Wei a gas, satoshi a virtual byte. */
  readonly feeRate: bigint;
  /** The configuration's ceiling, in the same unit. */
  readonly feeRateMax: bigint;
  /** Of one payment of the asset that has its transaction for itself. */
  readonly payment: (asset: AssetCode) => bigint;
  /** Of collecting, or spending, one deposit of the asset. */
  readonly collection: (asset: AssetCode) => bigint;
}

/**
 * One network as the server's jobs use it: a record of functions over its configuration row, made per family.
 * Everything read from nodes is what a quorum of endpoints agrees on, or proven.
 */
export interface Network {
  readonly id: NetworkId;
  readonly family: Family;
  readonly config: NetworkConfig;
  readonly nativeAsset: AssetCode;

  /** @throws Failure invalid-address or network-mismatch. */
  parseAddress(text: string, pointer?: string): string;
  /** Whether an address is one of the system's own wallets or contracts (deposit addresses are looked up apart). */
  isOwnWallet(address: string): Promise<boolean>;
  /** Key under which scans look an address up: lower-case address or script in hex. */
  watchKey(address: string): string;
  /**
   * The server's own derivation, by the newest keys; a signer derives it too. @throws Failure key-missing before key
   * generation.
   */
  depositAddress(customerId: string, index: number): Promise<{ address: string; epoch: number }>;

  /** Has what scans look for in memory; the first call may take seconds, and no block needs to wait for it then. */
  watchAll(): Promise<void>;
  /** Its endpoints: which count, how high they are. */
  readonly nodes: Pick<Endpoints, 'quorum' | 'heights' | 'review' | 'states'>;
  hashAt(height: number): Promise<string>;
  /** Where the configuration goes by a tag of the nodes: the highest block that a quorum calls final. @throws Failure node-quorum-lost. */
  readonly finalBlock?: () => Promise<{ readonly height: number; readonly hash: string }>;
  loadBlock(height: number, hash: string): Promise<LoadedBlock>;
  /** Begins to fetch the content of a block that will be loaded next; what is looked up for it is looked up then. */
  readonly fetchAhead?: (hash: string) => void;
  /** EVM only: what an address holds of a token, by balanceOf at the newest block of all endpoints. */
  readonly holdingOf?: (contract: string, address: string) => Promise<{ amount: bigint; height: number }>;
  /** Undoes `record` of a block. */
  unrecord(sql: Sql, blockId: bigint): Promise<void>;
  /**
   * What our wallets, watched cold ones among them, hold at a block by the node's own account, base units by asset; without
   * one that answers no balance.
   */
  chainBalances(height: number, hash: string): Promise<ReadonlyMap<AssetCode, bigint>>;

  /** @throws Failure node-unavailable. */
  costs(): Promise<NetworkCosts>;
  readonly cold: ColdFunctions;
  /** Most of each asset that one skim can take now, base units. @throws Failure node-unavailable. */
  skimmable(assets: readonly AssetCode[]): Promise<ReadonlyMap<AssetCode, bigint>>;
  /** Where custodians pay a refill; `index`: of the address on the change branch, null where the wallet is one address. */
  refillAddress(sql: Sql): Promise<{ address: string; index: number | null }>;
  /** EVM only, whose wallets are addresses; a Bitcoin wallet is all its coins, `chainBalances`. */
  readonly wallets?: WalletHoldings;

  surveyBatch(payouts: readonly Payout[]): Promise<BatchOutlook>;
  /** Asks the signers. @throws Failure signers-unavailable to try again; any other Failure is a refusal. */
  sign(unsigned: object, intents: readonly AuthorizedIntent[]): Promise<SignedBatch>;
  broadcast(raw: Uint8Array): Promise<{ accepted: boolean; objections: string[] }>;
  /** Frees what a plan that will never be signed had reserved. */
  abandon(sql: Sql, transactionId: string): Promise<void>;

  /** Threshold wallets only: its keys can be followed by those of a later epoch. */
  readonly hasEpochs?: true;
  /**
   * Bitcoin only: the next version of a payment that no block takes, at a fee that is higher by so many percent at least.
   * @returns what fixes it inside the deciding transaction: null when it cannot be built now.
   * @throws Failure fee-too-high when the ceiling leaves no room.
   */
  readonly replacePayment?: (
    unsigned: object,
    percent: number,
  ) => Promise<(sql: Sql, transactionId: string) => Promise<SweepPlan | null>>;

  /**
   * Bitcoin only: moves coins of an earlier key epoch to the newest, or makes many small coins into one.
   * @returns what fixes the content inside the deciding transaction: null when nothing is to be moved now.
   */
  readonly moveOwnCoins?: () => Promise<(sql: Sql, transactionId: string) => Promise<SweepPlan | null>>;

  /** Bitcoin only: what nodes hold that no block has. */
  readonly mempool?: MempoolFunctions;
  /** EVM only: what the checklist of a listing asks the chain. */
  readonly listing?: ListingFunctions;
  /** EVM only: the relayer's accounts. */
  readonly lanes?: readonly LaneFunctions[];
  /** EVM only: collects forwarders. A family whose deposits are spent directly has no sweep. */
  readonly sweep?: SweepFunctions;
  /** Puts back what a lost database knew of our transactions. */
  readonly rebuild?: RebuildFunctions;
  /** Of a vault with a guard: carries pauses that signers authorise. */
  readonly pause?: PauseFunctions;
}

/** A payment to a deposit address in a transaction that no block has. */
export interface PoolPayment {
  readonly txid: string;
  readonly index: string;
  readonly asset: AssetCode;
  readonly addressId: string;
  readonly customerId: string;
  /** Base units. */
  readonly amount: bigint;
  /** Coins that its transaction spends, `txid:vout`. */
  readonly inputs: readonly string[];
}

export interface PoolTransaction {
  readonly txid: string;
  readonly spends: readonly string[];
  readonly payments: readonly PoolPayment[];
}

export interface MempoolFunctions {
  /** `agreed`: in the pools of a quorum; `any`: in one of them at least. @throws Failure node-quorum-lost. */
  txids(): Promise<{ readonly agreed: readonly string[]; readonly any: ReadonlySet<string> }>;
  /** Reads transactions; without those that have left the pools meanwhile. */
  look(txids: readonly string[]): Promise<readonly PoolTransaction[]>;
  /** Whether one of the coins is spent, or was never there, pools included. */
  anySpent(outpoints: readonly string[]): Promise<boolean>;
}

export interface ColdFunctions {
  /** What the policy seals, canonical text. */
  readonly addresses: readonly string[];
  /**
   * What cold addresses hold together at a block, base units by asset; without one that answers no balance.
   * @returns `record`: the family's bookkeeping of it, for addresses that are watched from there on.
   * @throws Failure node-unavailable when the nodes are at another block, node-quorum-lost.
   */
  readonly read: (
    addresses: readonly string[],
    at: AppliedBlock,
  ) => Promise<{
    readonly amounts: ReadonlyMap<AssetCode, bigint>;
    readonly record: (sql: Sql, block: AppliedBlock) => Promise<void>;
  }>;
}

export interface RebuildFunctions {
  /** What a transaction was stored with, from the request that signers were asked with. @throws Failure when it is none of ours. */
  plan(request: SigningRequest['body']): SweepPlan;
  /** Before blocks are read: change addresses that the transaction pays. */
  watch(sql: Sql, request: SigningRequest['body']): Promise<void>;
  /** After blocks were read, for a transaction that no block has: it holds its coins again, and can be signed again. */
  reclaim(sql: Sql, transactionId: string): Promise<void>;
}

export interface ListingFunctions {
  token(contract: string): Promise<TokenFacts>;
  /** What the guard lets pass now of a token, of the coin for null; null without a guard. */
  guardRoom(contract: string | null): Promise<bigint | 'paused' | null>;
}

export interface WalletHoldings {
  readonly hot: string;
  readonly relayers: readonly string[];
  /**
   * What addresses hold at a block, base units in the order asked; null where a token answers no balance.
   * @throws Failure node-quorum-lost.
   */
  readonly holdings: (
    asked: readonly { readonly address: string; readonly asset: AssetCode }[],
    blockHash: string,
  ) => Promise<(bigint | null)[]>;
}

export interface PauseFunctions {
  /** By the guard itself, at the newest block. */
  isPaused(): Promise<boolean>;
  /**
   * Signs the call that pauses the guard.
   * @throws Failure emergency-refused when it is for another desk than the guard's or was altered; would-revert when the desk
   * refuses it.
   */
  prepare(authorisation: EmergencyAuthorisation): Promise<{ unsigned: object; signed: SignedBatch }>;
}

export interface SweepFunctions {
  /** Signs the call that flushes these (customer, index, asset) forwarders to the vault. @throws Failure when it would revert. */
  prepare(items: readonly SweepItem[]): Promise<{ unsigned: object; signed: SignedBatch }>;
}

export interface SweepItem {
  readonly customerId: string;
  readonly index: number;
  readonly asset: AssetCode;
}
