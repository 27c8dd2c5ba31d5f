import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import { decodeAbi } from './decode-abi.ts';
import { type GovernanceView, inspectCall } from './inspect-governance.ts';

/** One call of an operation of the time lock (TimelockController, OpenZeppelin 5). */
export interface ScheduledCall {
  /** 0x and 64 hex digits. */
  readonly operation: string;
  /** Its place in the operation. */
  readonly index: number;
  /** EIP-55. */
  readonly target: string;
  /** Wei. */
  readonly value: string;
  /** 0x hex. */
  readonly data: string;
}

/** CallScheduled(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data, bytes32 predecessor, uint256 delay). */
export const callScheduledTopic = '0x4cf4410cc57040e44862ef0f45f3dd5a5e02db8eb8add648d4b0e236f1d07dca';
/** What `_timestamps` says of an operation that was executed; 0 of one that is unknown or cancelled. */
export const doneTimestamp = 1n;
/** VaultTimelock.GRACE: an operation that nobody executed so long after it matured is void. Seconds. */
export const graceS = 14n * 86_400n;

/** Null for another event. @throws Failure transaction-malformed */
export function readScheduledCall(log: {
  readonly topics: readonly string[];
  readonly data: string;
}): ScheduledCall | null {
  const [event = '', operation = '', index = ''] = log.topics;
  if (event.toLowerCase() !== callScheduledTopic) return null;
  const types = ['address', 'uint256', 'bytes', 'bytes32', 'uint256'] as const;
  const [target = '', value = '', data = ''] = decodeAbi(types, hexToBytes(log.data.slice(2))).map(String);
  return { operation: operation.toLowerCase(), index: Number(BigInt(index)), target, value, data };
}

/** Storage slot of an operation's timestamp, 64 hex digits: `_timestamps` is the second variable, after AccessControl's. */
export function operationSlot(operation: string): string {
  return bytesToHex(keccak_256(hexToBytes(operation.slice(2) + '1'.padStart(64, '0'))));
}

/** What a call changes, for a person; one that is in no row of what custodians may call is shown as it is. */
export function scheduledWords({ target, value, data }: ScheduledCall, view: GovernanceView): string {
  const raw = `${target} is called with ${data.slice(0, 138)}${data.length > 138 ? '...' : ''}`;
  if (value !== '0') return `UNKNOWN, PAYS ${value} wei: ${raw}`;
  try {
    const lines = inspectCall({ to: target, data: hexToBytes(data.slice(2)) }, view);
    const effect = lines.find(([label]) => label === 'effect')?.[1];
    const name = lines.find(([label]) => label === 'function')?.[1];
    return `${name}: ${effect}`;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return `UNKNOWN: ${raw}`;
  }
}
