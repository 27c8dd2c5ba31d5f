import { addr } from 'micro-eth-signer';
import { invariant } from '../../invariant.ts';
import type { AssetCode } from '../../money/asset.ts';
import { baseUnits } from '../../money/base-units.ts';
import type { ScannedBlock, ScannedTransaction, ScannedTransfer } from '../chain.ts';
import { type Movement, nativeMovements, succeeded, tokenMovements, type Tokens } from './movements.ts';
import { assertOneBlock, quantity } from './node-block.ts';
import type { EvmBlock, EvmReceipt } from './node-block.ts';
import { pairKey, type Settled, settleBalances } from './settle-balances.ts';

/** Which addresses and tokens a scan looks for. */
export interface EvmWatch {
  /** Asked with the lower-case address; `hot` is the vault, `relayer` pays gas, and `cold` may. */
  readonly kindOf: (addressLowerCase: string) => 'deposit' | 'hot' | 'relayer' | 'cold' | undefined;
  /** Allow-listed token contracts (any letter case) and their assets. */
  readonly tokens: ReadonlyMap<string, AssetCode>;
  readonly nativeAsset: AssetCode;
}

/** keccak256("ExecutionSuccess(bytes32,uint256)"), Safe 1.5.0: the transaction hash is indexed. */
const executionSuccessTopic = '0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e';

/**
 * The transfers of one block that touch watched addresses: ERC-20 by Transfer logs of allow-listed contracts, the native
 * coin by call frames, the relayer's gas as an `out` with index `fee`. Amounts are what the balances confirm: a claim that
 * nothing followed carries the doubt `nothing-arrived`, and what came or went without log or frame (block rewards,
 * validator withdrawals of EIP-4895, a rebase) makes a last transaction under the block's own hash. Where a token answers
 * no balance, transfers are what its logs claim, with the doubt `balance-unread`.
 * @throws Failure node-disagreement when the parts are not of one block, node-unavailable when a field is malformed.
 */
export function scanEvmBlock(block: EvmBlock, watch: EvmWatch): ScannedBlock {
  assertOneBlock(block);
  const tokens = lowerCaseTokens(watch);
  const moved = movementsOf(block, watch.nativeAsset, tokens);
  const settled = settleBalances(moved.flat(), block.balanceDeltas, (_, address) => isJudged(watch, address));
  const transactions: ScannedTransaction[] = [];
  for (const [at, receipt] of block.receipts.entries()) {
    const movements = moved[at];
    invariant(movements !== undefined, 'every receipt has its movements');
    const scanned = scanTransaction(receipt, movements, watch, settled);
    if (scanned !== undefined) transactions.push(scanned);
  }
  const rest = settled.rest.map((one) => restTransfer(one, watch, tokens));
  const hash = block.header.hash.toLowerCase();
  if (rest.length > 0) transactions.push({ txid: hash, refs: [], transfers: outsFirst(rest) });
  return {
    height: Number(quantity(block.header.number, 'block number')),
    hash,
    parentHash: block.header.parentHash.toLowerCase(),
    timeMs: Number(quantity(block.header.timestamp, 'timestamp')) * 1000,
    transactions,
  };
}

/** Addresses (lower case) that one may be watched for: whoever a block moves coins of or to, or rewards. */
export function addressesOf(block: Omit<EvmBlock, 'balanceDeltas'>, watch: Omit<EvmWatch, 'kindOf'>): Set<string> {
  const found = new Set(rewarded(block));
  const moved = movementsOf(block, watch.nativeAsset, lowerCaseTokens(watch)).flat();
  for (const { from, to } of moved) found.add(from).add(to);
  for (const receipt of block.receipts) found.add(receipt.from.toLowerCase());
  return found;
}

/**
 * The (token contract or null for the native coin, watched address) pairs, EIP-55, whose balance the caller must read at
 * the block and at its parent before it scans. A log can lie about what was moved; a balance that did not follow it gives
 * the lie away. Who is rewarded by the block itself shows in no log and no call.
 */
export function touchedBalances(
  block: Omit<EvmBlock, 'balanceDeltas'>,
  watch: EvmWatch,
): { contract: string | null; address: string }[] {
  const pairs = new Map<string, { contract: string | null; address: string }>();
  const touch = (contract: string | null, address: string): void => {
    if (isJudged(watch, address)) pairs.set(pairKey(contract, address), { contract, address });
  };
  for (const { contract, from, to } of movementsOf(block, watch.nativeAsset, lowerCaseTokens(watch)).flat()) {
    touch(contract, from);
    touch(contract, to);
  }
  for (const address of rewarded(block)) touch(null, address);
  return [...pairs.values()].map(({ contract, address }) => ({
    contract: contract === null ? null : addr.addChecksum(contract),
    address: addr.addChecksum(address),
  }));
}

/**
 * The relayer's balance is not judged: beside gas it pays what a rollup charges for its data, which no receipt field holds. A
 * cold address may be an account that does the same.
 */
function isJudged(watch: EvmWatch, address: string): boolean {
  const kind = watch.kindOf(address);
  return kind === 'deposit' || kind === 'hot';
}

/** Who gets the block's tips and rewards, and the validators' withdrawals (EIP-4895). */
function rewarded({ header }: Pick<EvmBlock, 'header'>): string[] {
  return [
    ...(header.miner === undefined ? [] : [header.miner]),
    ...(header.withdrawals ?? []).map((one) => one.address),
  ]
    .map((address) => address.toLowerCase())
    .filter((address) => /^0x[0-9a-f]{40}$/.test(address));
}

/** What each transaction claims to move between two addresses, in the order of the receipts. */
function movementsOf(block: Omit<EvmBlock, 'balanceDeltas'>, nativeAsset: AssetCode, tokens: Tokens): Movement[][] {
  return block.receipts.map((receipt, at) => {
    const trace = block.traces[at];
    const native = trace !== undefined && succeeded(receipt) ? nativeMovements(trace.result, nativeAsset) : [];
    return [...native, ...tokenMovements(receipt, tokens)].filter(({ from, to }) => from !== to);
  });
}

function lowerCaseTokens(watch: Pick<EvmWatch, 'tokens'>): Tokens {
  return new Map([...watch.tokens].map(([contract, asset]) => [contract.toLowerCase(), asset]));
}

function scanTransaction(
  receipt: EvmReceipt,
  movements: readonly Movement[],
  watch: EvmWatch,
  settled: Settled,
): ScannedTransaction | undefined {
  const outs: ScannedTransfer[] = relayerFee(receipt, watch);
  const ins: ScannedTransfer[] = [];
  for (const movement of movements) {
    const left = settled.leftBy(movement);
    if (watch.kindOf(movement.from) !== undefined && left > 0n)
      outs.push({ ...seenFrom(movement, 'out', left), ...unreadDoubt(settled, movement.contract, movement.from) });
    const to = watch.kindOf(movement.to);
    if (to === undefined) continue;
    const arrived = settled.arrivedBy(movement);
    if (arrived > 0n)
      ins.push({ ...seenFrom(movement, 'in', arrived), ...unreadDoubt(settled, movement.contract, movement.to) });
    // Somebody was shown it as a deposit: it is on record that it was none.
    else if (to === 'deposit')
      ins.push({ ...seenFrom(movement, 'in', movement.amount), doubt: 'nothing-arrived' as const });
  }
  const safeRefs = executedSafeRefs(receipt, watch);
  if (outs.length + ins.length + safeRefs.length === 0) return undefined;
  const txid = receipt.transactionHash.toLowerCase();
  return { txid, refs: [`tx:${txid}`, ...safeRefs], transfers: [...outs, ...ins] };
}

const unreadDoubt = (settled: Settled, contract: string | null, address: string): Pick<ScannedTransfer, 'doubt'> =>
  settled.isUnread(contract, address) ? { doubt: 'balance-unread' } : {};

/** A token that is in nobody's log may be a bookkeeping of its contract that is undone tomorrow: a person looks first. */
function restTransfer(
  { contract, address, amount }: Settled['rest'][number],
  watch: EvmWatch,
  tokens: Tokens,
): ScannedTransfer {
  const asset = contract === null ? watch.nativeAsset : tokens.get(contract);
  invariant(asset !== undefined, 'a balance was read of a listed token');
  return {
    index: `balance:${contract ?? 'native'}:${address}`,
    asset,
    direction: amount > 0n ? 'in' : 'out',
    address: addr.addChecksum(address),
    amount: baseUnits(amount > 0n ? amount : -amount),
    ...(contract !== null && amount > 0n && { doubt: 'unlogged-arrival' as const }),
  };
}

const outsFirst = (transfers: readonly ScannedTransfer[]): ScannedTransfer[] => [
  ...transfers.filter(({ direction }) => direction === 'out'),
  ...transfers.filter(({ direction }) => direction === 'in'),
];

function seenFrom(movement: Movement, direction: 'in' | 'out', amount: bigint): ScannedTransfer {
  const address = addr.addChecksum(direction === 'in' ? movement.to : movement.from);
  return { index: movement.index, asset: movement.asset, direction, address, amount: baseUnits(amount) };
}

/** Gas is paid by a failed transaction too. */
function relayerFee(receipt: EvmReceipt, watch: EvmWatch): ScannedTransfer[] {
  const from = receipt.from.toLowerCase();
  if (!['relayer', 'cold'].includes(watch.kindOf(from) ?? '')) return [];
  const feeWei = quantity(receipt.gasUsed, 'gasUsed') * quantity(receipt.effectiveGasPrice, 'effectiveGasPrice');
  if (feeWei === 0n) return [];
  return [
    {
      index: 'fee',
      asset: watch.nativeAsset,
      direction: 'out',
      address: addr.addChecksum(from),
      amount: baseUnits(feeWei),
    },
  ];
}

function executedSafeRefs(receipt: EvmReceipt, watch: EvmWatch): string[] {
  if (!succeeded(receipt)) return [];
  return receipt.logs
    .filter(
      (log) =>
        log.topics[0] === executionSuccessTopic &&
        log.topics.length === 2 &&
        watch.kindOf(log.address.toLowerCase()) === 'hot',
    )
    .map((log) => `safe:${log.topics[1]?.slice(2).toLowerCase()}`);
}
