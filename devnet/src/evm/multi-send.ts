import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { devnetAbi, toHex } from './abi.ts';

/** A call without value. */
export interface PlainCall {
  readonly to: string;
  readonly data: Uint8Array;
}

/** The Safe transaction that makes these calls by MultiSendCallOnly: all of them or none. */
export function callAll(calls: readonly PlainCall[], multiSend: string, nonce: bigint): SafeTransaction {
  const data = toHex(devnetAbi.multiSend.encodeInput(concatBytes(...calls.map(packed))));
  return { to: multiSend, value: '0', data, operation: 1, nonce: nonce.toString() };
}

/** Operation (1, a call), to (20), value (32), data length (32), data. */
function packed({ to, data }: PlainCall): Uint8Array {
  const length = data.length.toString(16).padStart(64, '0');
  return hexToBytes(`00${to.slice(2).toLowerCase()}${'00'.repeat(32)}${length}${bytesToHex(data)}`);
}
