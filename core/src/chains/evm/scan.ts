import { addr } from 'micro-eth-signer';
import { invariant } from '../../invariant.ts';
import type { AssetCode } from '../../money/asset.ts';
import { baseUnits } from '../../money/base-units.ts';
import type { ScannedBlock, ScannedTransaction, ScannedTransfer } from '../chain.ts';
import { assertOneBlock, quantity } from './node-block.ts';
import type { EvmBalanceDelta, EvmBlock, EvmCallFrame, EvmReceipt, EvmTrace } from './node-block.ts';

/** Which addresses and tokens a scan looks for. */
export interface EvmWatch {
  /** Asked with the lower-case address; `hot` is the vault, `relayer` pays gas. */
  readonly kindOf: (addressLowerCase: string) => 'deposit' | 'hot' | 'relayer' | undefined;
  /** Allow-listed token contracts (any letter case) and their assets. */
  readonly tokens: ReadonlyMap<string, AssetCode>;
  readonly nativeAsset: AssetCode;
}

/** keccak256("Transfer(address,address,uint256)"), ERC-20. */
const transferTopic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';
/** keccak256("ExecutionSuccess(bytes32,uint256)"), Safe 1.5.0: the transaction hash is indexed. */
const executionSuccessTopic = '0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e';

/** A movement before it is split into what each watched side sees; addresses in lower case. */
interface Movement {
  readonly index: string;
  readonly asset: AssetCode;
  /** Token contract in lower case, null for the native coin. */
  readonly contract: string | null;
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
}

type Tokens = ReadonlyMap<string, AssetCode>;

/**
 * The transfers of one block that touch watched addresses: ERC-20 by Transfer logs of allow-listed contracts, the native
 * coin by call frames, the relayer's gas as an `out` with index `fee`. Coins that reach an address without a
 * transaction (validator withdrawals, EIP-4895; block rewards) are in neither and are left to reconciliation.
 * @throws Failure node-disagreement when the parts are not of one block, node-unavailable when a field is malformed.
 */
export function scanEvmBlock(block: EvmBlock, watch: EvmWatch): ScannedBlock {
  assertOneBlock(block);
  const tokens = lowerCaseTokens(watch);
  const verdicts = judgeBalances(block, tokens, watch);
  const transactions: ScannedTransaction[] = [];
  for (const [at, receipt] of block.receipts.entries()) {
    const trace = block.traces[at];
    invariant(trace !== undefined, 'every receipt has a trace');
    const scanned = scanTransaction(receipt, trace, watch, tokens, verdicts);
    if (scanned !== undefined) transactions.push(scanned);
  }
  return {
    height: Number(quantity(block.header.number, 'block number')),
    hash: block.header.hash.toLowerCase(),
    parentHash: block.header.parentHash.toLowerCase(),
    timeMs: Number(quantity(block.header.timestamp, 'timestamp')) * 1000,
    transactions,
  };
}

/**
 * The (token contract, watched address) pairs, EIP-55, whose balanceOf the caller must read at the block and at its
 * parent before it scans. A log can lie about what was moved; a balance that did not follow it gives the lie away.
 */
export function touchedTokenBalances(
  receipts: readonly EvmReceipt[],
  watch: EvmWatch,
): { contract: string; address: string }[] {
  const tokens = lowerCaseTokens(watch);
  const pairs = new Set<string>();
  for (const movement of receipts.flatMap((receipt) => tokenMovements(receipt, tokens))) {
    for (const address of [movement.from, movement.to]) {
      if (watch.kindOf(address) !== undefined) pairs.add(`${movement.contract}:${address}`);
    }
  }
  return [...pairs].map((pair) => {
    const [contract = '', address = ''] = pair.split(':');
    return { contract: addr.addChecksum(contract), address: addr.addChecksum(address) };
  });
}

function lowerCaseTokens(watch: EvmWatch): Tokens {
  return new Map([...watch.tokens].map(([contract, asset]) => [contract.toLowerCase(), asset]));
}

function scanTransaction(
  receipt: EvmReceipt,
  trace: EvmTrace,
  watch: EvmWatch,
  tokens: Tokens,
  verdicts: ReadonlyMap<string, Verdict>,
): ScannedTransaction | undefined {
  const movements = [
    ...(succeeded(receipt) ? nativeMovements(trace.result, watch.nativeAsset) : []),
    ...tokenMovements(receipt, tokens),
  ];
  const outs: ScannedTransfer[] = relayerFee(receipt, watch);
  const ins: ScannedTransfer[] = [];
  for (const movement of movements) {
    if (movement.from === movement.to) continue;
    if (watch.kindOf(movement.from) !== undefined) outs.push(seenFrom(movement, 'out'));
    if (watch.kindOf(movement.to) !== undefined) {
      const verdict = movement.contract === null ? undefined : verdicts.get(`${movement.contract}:${movement.to}`);
      ins.push({ ...seenFrom(movement, 'in'), ...verdict });
    }
  }
  const safeRefs = executedSafeRefs(receipt, watch);
  if (outs.length + ins.length + safeRefs.length === 0) return undefined;
  const txid = receipt.transactionHash.toLowerCase();
  return { txid, refs: [`tx:${txid}`, ...safeRefs], transfers: [...outs, ...ins] };
}

function seenFrom(movement: Movement, direction: 'in' | 'out'): ScannedTransfer {
  const address = addr.addChecksum(direction === 'in' ? movement.to : movement.from);
  return { index: movement.index, asset: movement.asset, direction, address, amount: baseUnits(movement.amount) };
}

function succeeded(receipt: EvmReceipt): boolean {
  return quantity(receipt.status, 'status') === 1n;
}

/** Gas is paid by a failed transaction too. */
function relayerFee(receipt: EvmReceipt, watch: EvmWatch): ScannedTransfer[] {
  const from = receipt.from.toLowerCase();
  if (watch.kindOf(from) !== 'relayer') return [];
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

/** The frame types that move native coins; DELEGATECALL, STATICCALL and CALLCODE keep the caller's balance. */
const valueFrames = new Set(['CALL', 'CREATE', 'CREATE2', 'SELFDESTRUCT']);

/**
 * Native movements of a transaction, index `trace:0` for the transaction itself and `trace:0.2.1` for the second call
 * inside the third call inside it. A frame inside a reverted frame moved nothing.
 */
function nativeMovements(root: EvmCallFrame, asset: AssetCode): Movement[] {
  const movements: Movement[] = [];
  // An explicit stack: a transaction may nest 1,024 calls, and its sender chooses how many.
  const pending: { frame: EvmCallFrame; path: string }[] = [{ frame: root, path: '0' }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { frame, path } = next;
    if (frame.error !== undefined) continue;
    const amount = frame.value === undefined ? 0n : quantity(frame.value, 'call value');
    if (amount > 0n && frame.to !== undefined && valueFrames.has(frame.type)) {
      movements.push({
        index: `trace:${path}`,
        asset,
        contract: null,
        from: frame.from.toLowerCase(),
        to: frame.to.toLowerCase(),
        amount,
      });
    }
    const calls = frame.calls ?? [];
    for (let at = calls.length - 1; at >= 0; at--) {
      const call = calls[at];
      invariant(call !== undefined, 'index inside calls');
      pending.push({ frame: call, path: `${path}.${at}` });
    }
  }
  return movements;
}

/** ERC-20 movements of a transaction; ERC-721 shares the topic but has a fourth one. */
function tokenMovements(receipt: EvmReceipt, tokens: Tokens): Movement[] {
  if (!succeeded(receipt)) return [];
  const movements: Movement[] = [];
  for (const [ordinal, log] of receipt.logs.entries()) {
    const [topic, from = '', to = ''] = log.topics;
    if (topic !== transferTopic || log.topics.length !== 3 || !/^0x[0-9a-fA-F]{64}$/.test(log.data)) continue;
    const contract = log.address.toLowerCase();
    const asset = tokens.get(contract);
    const amount = BigInt(log.data);
    // Transfers of nothing are free to forge in other people's names (address poisoning).
    if (asset === undefined || amount === 0n) continue;
    movements.push({
      index: `log:${ordinal}`,
      asset,
      contract,
      from: topicAddress(from),
      to: topicAddress(to),
      amount,
    });
  }
  return movements;
}

function topicAddress(topic: string): string {
  return `0x${topic.slice(-40).toLowerCase()}`;
}

/** What the change of a balance says about the transfers that came in: believed, reduced, or doubted. */
interface Verdict {
  readonly doubt?: 'balance-delta-mismatch';
  readonly amount?: ReturnType<typeof baseUnits>;
}

/**
 * Compares, per token and watched address, the logs of the block with the change of balance. One incoming transfer alone
 * that arrived short (a token that takes a fee) is credited with what arrived; every other difference is doubt.
 */
function judgeBalances(block: EvmBlock, tokens: Tokens, watch: EvmWatch): Map<string, Verdict> {
  const deltas = new Map(block.balanceDeltas.map((entry) => [pairKey(entry), entry.delta]));
  const logged = new Map<string, { ins: number; outs: number; net: bigint }>();
  for (const movement of block.receipts.flatMap((receipt) => tokenMovements(receipt, tokens))) {
    if (movement.from === movement.to) continue;
    for (const [address, sign] of [
      [movement.from, -1n],
      [movement.to, 1n],
    ] as const) {
      if (watch.kindOf(address) === undefined) continue;
      const key = `${movement.contract}:${address}`;
      const sum = logged.get(key) ?? { ins: 0, outs: 0, net: 0n };
      logged.set(key, {
        ins: sum.ins + (sign === 1n ? 1 : 0),
        outs: sum.outs + (sign === 1n ? 0 : 1),
        net: sum.net + sign * movement.amount,
      });
    }
  }
  const verdicts = new Map<string, Verdict>();
  for (const [key, { ins, outs, net }] of logged) {
    const delta = deltas.get(key);
    invariant(delta !== undefined, `the caller read no balance change for ${key}`);
    if (delta === net) continue;
    const arrivedShort = ins === 1 && outs === 0 && delta > 0n && delta < net;
    verdicts.set(key, arrivedShort ? { amount: baseUnits(delta) } : { doubt: 'balance-delta-mismatch' });
  }
  return verdicts;
}

function pairKey(entry: EvmBalanceDelta): string {
  return `${entry.contract}:${entry.address}`.toLowerCase();
}
