import { createContract } from 'micro-eth-signer/abi.js';

const input = <N extends string, T extends string>(name: N, type: T) => ({ name, type }) as const;

/** Calls of contracts/src/devnet/HostileToken.sol. */
export const hostile = createContract([
  { type: 'function', name: 'setHabit', inputs: [input('habit_', 'uint8')], outputs: [] },
  { type: 'function', name: 'setPercent', inputs: [input('percent_', 'uint256')], outputs: [] },
  { type: 'function', name: 'mint', inputs: [input('to', 'address'), input('amount', 'uint256')], outputs: [] },
  { type: 'function', name: 'transfer', inputs: [input('to', 'address'), input('amount', 'uint256')], outputs: [] },
  {
    type: 'function',
    name: 'setBlacklisted',
    inputs: [input('account', 'address'), input('barred', 'bool')],
    outputs: [],
  },
  {
    type: 'function',
    name: 'setCall',
    inputs: [input('callee_', 'address'), input('callData_', 'bytes')],
    outputs: [],
  },
  {
    type: 'function',
    name: 'transferAndRebase',
    inputs: [input('to', 'address'), input('amount', 'uint256'), input('percent_', 'uint256')],
    outputs: [],
  },
  {
    type: 'function',
    name: 'spoof',
    inputs: [input('from', 'address'), input('to', 'address'), input('amount', 'uint256')],
    outputs: [],
  },
] as const);

/** Of contracts/src/devnet/TokenSpammer.sol. */
export const spammer = createContract([
  {
    type: 'function',
    name: 'spam',
    inputs: [input('to', 'address'), input('tokens', 'uint256'), input('logs', 'uint256')],
    outputs: [],
  },
] as const);

/** Of the token: its enum. */
export const habits = {
  honest: 0n,
  returnsFalse: 1n,
  returnsFalseWithEvent: 2n,
  spoofs: 3n,
  hidesFee: 4n,
  silent: 5n,
  reenters: 6n,
  paused: 7n,
  balanceReverts: 8n,
  balanceBurns: 9n,
  balanceBombs: 10n,
  balanceShort: 11n,
  balanceHuge: 12n,
} as const;
