import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { parseEvmAddress } from '../chains/evm/address.ts';
import { safeTransactionHash } from '../chains/evm/safe-transaction.ts';
import { Failure } from '../failure.ts';
import { evmChainId, parseNetworkId } from '../money/network.ts';
import type { SafeTransaction } from '../signing/messages.ts';
import { coldAmount, evmCoinDecimals } from './cold-amount.ts';
import { decodeAbi } from './decode-abi.ts';
import { inspectGovernance } from './inspect-governance.ts';
import type { ChainReading } from './reading.ts';
import type { EvmSetup } from './setup.ts';

type Line = readonly [string, string];

/** transfer(address,uint256), ERC-20. */
const transferSelector = '0xa9059cbb';
const selectorDigits = 10;

/**
 * Reads a refill: the native coin, or a token of the setup, from the cold Safe to the hot Safe and nowhere else.
 * @throws Failure transaction-malformed, contract-not-allowed, output-unaccounted.
 */
export function inspectSafeRefill(tx: SafeTransaction, setup: EvmSetup): ChainReading {
  const to = targetOf(tx);
  const value = BigInt(tx.value);
  if (tx.data === '0x') {
    if (to !== setup.hot_safe)
      throw new Failure('output-unaccounted', `${value} base units go to ${to}, not to the hot Safe`);
    if (value === 0n) throw new Failure('transaction-malformed', 'a refill of nothing');
    return readingOf(tx, setup, [
      ['what', `REFILL: ${setup.coin} from the cold Safe to the hot Safe`],
      ['pays', `${coldAmount(value, setup.coin, evmCoinDecimals)} to the hot Safe, ${to}`],
    ]);
  }
  const token = setup.tokens.find(({ contract }) => contract === to);
  if (!token) throw new Failure('contract-not-allowed', `a call of ${to}, which is no token of the setup`);
  if (value !== 0n)
    throw new Failure('transaction-malformed', `${value} of the native coin on a call of ${token.code}`);
  if (tx.data.slice(0, selectorDigits) !== transferSelector)
    throw new Failure('contract-not-allowed', `${tx.data.slice(0, selectorDigits)} of ${token.code} is no transfer`);
  const [recipient = '', amount = ''] = decodeAbi(['address', 'uint256'], argumentsOf(tx.data)) as string[];
  if (recipient !== setup.hot_safe)
    throw new Failure(
      'output-unaccounted',
      `${amount} base units of ${token.code} go to ${recipient}, not to the hot Safe`,
    );
  if (amount === '0') throw new Failure('transaction-malformed', 'a refill of nothing');
  return readingOf(tx, setup, [
    ['what', `REFILL: ${token.code} from the cold Safe to the hot Safe`],
    ['pays', `${coldAmount(BigInt(amount), token.code, token.decimals)} to the hot Safe, ${recipient}`],
    ['token', `${token.contract}, ${token.decimals} decimals`],
  ]);
}

/**
 * Reads a governance change: a known call of a governed contract, made at once or through the timelock.
 * @throws Failure transaction-malformed, contract-not-allowed.
 */
export function inspectSafeGovernance(tx: SafeTransaction, setup: EvmSetup): ChainReading {
  const to = targetOf(tx);
  if (tx.value !== '0') throw new Failure('transaction-malformed', `a governance change that pays ${tx.value}`);
  return readingOf(tx, setup, [
    ['what', 'GOVERNANCE CHANGE by the cold Safe'],
    ...inspectGovernance({ to, data: hexToBytes(tx.data.slice(2)) }, setup),
  ]);
}

/** @throws Failure contract-not-allowed for a delegatecall, which could do anything to the Safe. */
function targetOf({ to, operation }: SafeTransaction): string {
  if (operation !== 0) throw new Failure('contract-not-allowed', `a delegatecall to ${to}`);
  return parseEvmAddress(to);
}

function readingOf(tx: SafeTransaction, setup: EvmSetup, lines: readonly Line[]): ChainReading {
  const chainId = evmChainId(parseNetworkId(setup.network));
  const hash = safeTransactionHash({ chainId, safe: setup.cold_safe, tx });
  return {
    lines: [
      ...lines,
      ['by', `the cold Safe, ${setup.cold_safe}, chain id ${chainId}, nonce ${tx.nonce}`],
      ['fee', `none of the Safe's: whoever sends it pays the gas and is not refunded`],
      ['safe hash', `0x${bytesToHex(hash)}`],
    ],
    spends: [`${setup.network}/${setup.cold_safe}/nonce/${tx.nonce}`],
    hashes: [{ scheme: 'safe', hash }],
  };
}

function argumentsOf(data: string): Uint8Array {
  return hexToBytes(data.slice(selectorDigits));
}
