import { invariant } from '../../invariant.ts';
import type { AssetCode } from '../../money/asset.ts';
import { quantity } from './node-block.ts';
import type { EvmCallFrame, EvmReceipt } from './node-block.ts';

/** keccak256("Transfer(address,address,uint256)"), ERC-20. */
const transferTopic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';

/** A movement before it is split into what each watched side sees; addresses in lower case. */
export interface Movement {
  readonly index: string;
  readonly asset: AssetCode;
  /** Token contract in lower case, null for the native coin. */
  readonly contract: string | null;
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
}

/** Token contracts in lower case and their assets. */
export type Tokens = ReadonlyMap<string, AssetCode>;

export function succeeded(receipt: EvmReceipt): boolean {
  return quantity(receipt.status, 'status') === 1n;
}

/** The frame types that move native coins; DELEGATECALL, STATICCALL and CALLCODE keep the caller's balance. */
const valueFrames = new Set(['CALL', 'CREATE', 'CREATE2', 'SELFDESTRUCT']);

/**
 * Native movements of a transaction, index `trace:0` for the transaction itself and `trace:0.2.1` for the second call
 * inside the third call inside it. A frame inside a reverted frame moved nothing.
 */
export function nativeMovements(root: EvmCallFrame, asset: AssetCode): Movement[] {
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

/** ERC-20 movements of a transaction, by listed contracts; ERC-721 shares the topic but has a fourth one. */
export function tokenMovements(receipt: EvmReceipt, tokens: Tokens): Movement[] {
  return transferLogs(receipt).flatMap(({ contract, ...movement }) => {
    const asset = tokens.get(contract);
    return asset === undefined ? [] : [{ ...movement, contract, asset }];
  });
}

/** Every log of a transaction that claims to be an ERC-20 transfer of something, whoever wrote it. */
export function transferLogs(receipt: EvmReceipt): (Omit<Movement, 'asset' | 'contract'> & { contract: string })[] {
  if (!succeeded(receipt)) return [];
  return receipt.logs.flatMap((log, ordinal) => {
    const [topic, from = '', to = ''] = log.topics;
    if (topic !== transferTopic || log.topics.length !== 3 || !/^0x[0-9a-fA-F]{64}$/.test(log.data)) return [];
    const amount = BigInt(log.data);
    // Transfers of nothing are free to forge in other people's names (address poisoning).
    if (amount === 0n) return [];
    return [
      {
        index: `log:${ordinal}`,
        contract: log.address.toLowerCase(),
        from: topicAddress(from),
        to: topicAddress(to),
        amount,
      },
    ];
  });
}

function topicAddress(topic: string): string {
  return `0x${topic.slice(-40).toLowerCase()}`;
}
