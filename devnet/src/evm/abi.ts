import { bytesToHex } from '@noble/hashes/utils.js';
import { createContract } from 'micro-eth-signer/abi.js';

const input = <N extends string, T extends string>(name: N, type: T) => ({ name, type }) as const;

/** Calls that the devnet makes; `.encodeInput` gives bytes, toHex makes calldata of them. */
export const devnetAbi = createContract([
  {
    type: 'function',
    name: 'setup',
    inputs: [
      input('owners', 'address[]'),
      input('threshold', 'uint256'),
      input('to', 'address'),
      input('data', 'bytes'),
      input('fallbackHandler', 'address'),
      input('paymentToken', 'address'),
      input('payment', 'uint256'),
      input('paymentReceiver', 'address'),
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'createProxyWithNonce',
    inputs: [input('singleton', 'address'), input('initializer', 'bytes'), input('saltNonce', 'uint256')],
    outputs: [],
  },
  // Safe, called by itself.
  { type: 'function', name: 'enableModule', inputs: [input('module', 'address')], outputs: [] },
  { type: 'function', name: 'setFallbackHandler', inputs: [input('handler', 'address')], outputs: [] },
  { type: 'function', name: 'setGuard', inputs: [input('guard', 'address')], outputs: [] },
  {
    type: 'function',
    name: 'swapOwner',
    inputs: [input('prevOwner', 'address'), input('oldOwner', 'address'), input('newOwner', 'address')],
    outputs: [],
  },
  {
    type: 'function',
    name: 'addOwnerWithThreshold',
    inputs: [input('owner', 'address'), input('threshold', 'uint256')],
    outputs: [],
  },
  { type: 'function', name: 'multiSend', inputs: [input('transactions', 'bytes')], outputs: [] },
  { type: 'function', name: 'mint', inputs: [input('to', 'address'), input('amount', 'uint256')], outputs: [] },
  { type: 'function', name: 'transfer', inputs: [input('to', 'address'), input('amount', 'uint256')], outputs: [] },
  { type: 'function', name: 'split', inputs: [input('recipients', 'address[]')], outputs: [] },
  { type: 'function', name: 'payWithStipend', inputs: [input('recipient', 'address')], outputs: [] },
  { type: 'function', name: 'payAndRevert', inputs: [input('recipient', 'address')], outputs: [] },
  { type: 'function', name: 'payBySelfDestruct', inputs: [input('recipient', 'address')], outputs: [] },
  { type: 'function', name: 'setFee', inputs: [input('basisPoints', 'uint256')], outputs: [] },
  {
    type: 'function',
    name: 'setBlackListed',
    inputs: [input('account', 'address'), input('barred', 'bool')],
    outputs: [],
  },
  { type: 'function', name: 'balanceOf', inputs: [input('account', 'address')], outputs: [] },
] as const);

export function toHex(data: Uint8Array): string {
  return `0x${bytesToHex(data)}`;
}
