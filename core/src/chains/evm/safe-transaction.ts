import { hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import type { SafeTransaction } from '../../signing/messages.ts';
import { addressWord, bytesWord, structHash, typedDataHash, uintWord } from './typed-data.ts';

const domainType = 'EIP712Domain(uint256 chainId,address verifyingContract)';
const safeTxType =
  'SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)';

/** safeTxGas, baseGas, gasPrice, gasToken, refundReceiver: refunds are off, and with safeTxGas 0 a failing payment reverts. */
const refundWords: readonly Uint8Array[] = Array.from({ length: 5 }, () => new Uint8Array(32));

/**
 * The 32-byte EIP-712 hash that owners of a Safe 1.5.0 sign (Safe.sol, getTransactionHash), with every refund field zero.
 * @throws Failure transaction-malformed when a field does not fit its type.
 */
export function safeTransactionHash(input: { chainId: bigint; safe: string; tx: SafeTransaction }): Uint8Array {
  const { tx } = input;
  const domainSeparator = structHash(domainType, [uintWord(input.chainId), addressWord(input.safe)]);
  const message = structHash(safeTxType, [
    addressWord(field(tx.to, /^0x[0-9a-fA-F]{40}$/, 'to')),
    uintWord(decimal(tx.value, 'value')),
    bytesWord(hexToBytes(field(tx.data, /^0x(?:[0-9a-f]{2})*$/, 'data').slice(2))),
    uintWord(BigInt(tx.operation)),
    ...refundWords,
    uintWord(decimal(tx.nonce, 'nonce')),
  ]);
  return typedDataHash(domainSeparator, message);
}

function field(text: string, pattern: RegExp, name: string): string {
  if (!pattern.test(text)) throw new Failure('transaction-malformed', `${name} is ${text.slice(0, 80)}`);
  return text;
}

function decimal(text: string, name: string): bigint {
  const value = BigInt(field(text, /^(?:0|[1-9][0-9]{0,77})$/, name));
  if (value >= 1n << 256n) throw new Failure('transaction-malformed', `${name} does not fit uint256`);
  return value;
}
