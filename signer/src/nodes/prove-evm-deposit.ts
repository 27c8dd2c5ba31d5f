import type { EvmProvenLog } from '@holdfast/core/chains/evm/node-answers.ts';
import type { VerifiedHeader } from '@holdfast/core/chains/evm/verify-header.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import { assertEnoughNodes } from './assert-enough-nodes.ts';
import { lowestTip } from './evm-node.ts';
import { agreeOnHeader, readAccount, readLogs, readParent } from './evm-proofs.ts';
import type { SendRpc } from './json-rpc.ts';

const Word = Type.String({ pattern: '^0x[0-9a-f]{64}$' });
/** Transfer(address,address,uint256), ERC-20. */
const transferTopic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';
/** SafeReceived(address,uint256), Safe 1.5.0. */
const receivedTopic = '0x3d0ce9bfc3ed7d6862dbb28b2dea94561fe714a1b4d019aa8af39730d1ad7c3d';
/** balanceOf(address). */
const balanceSelector = '0x70a08231';

/**
 * What a deposit address received in a block, base units, by this signer's own nodes; 0 when the block is canonical and
 * deep enough and the address received nothing there. What was flushed to the Safe in the same block counts: anybody may
 * flush.
 * @throws Failure deposit-unproven while the block is not there or not deep enough; unknown-asset; nodes-too-few,
 * node-unavailable, node-disagreement, node-proof-invalid, chain-mismatch.
 */
export async function proveEvmDeposit(
  endpoints: readonly SendRpc[],
  network: EvmNetworkPolicy,
  claim: DepositClaim,
): Promise<bigint> {
  assertEnoughNodes(endpoints, network);
  const asset = network.assets.find((one) => one.asset === claim.asset);
  if (!asset) throw new Failure('unknown-asset', `${claim.asset} is not in the policy`);
  const height = claim.block_height;
  const tip = await lowestTip(endpoints, network);
  if (height === 0 || tip - height + 1 < network.deposit_confirmations) {
    throw new Failure('deposit-unproven', `block ${height} is not ${network.deposit_confirmations} deep at tip ${tip}`);
  }
  const header = await agreeOnHeader(endpoints, height);
  if (header.hash !== `0x${claim.block_hash}`) {
    throw new Failure('deposit-unproven', `block ${height} is ${header.hash}, not ${claim.block_hash}`);
  }
  const parent = await readParent(endpoints, header);
  const logs = await readLogs(endpoints, header);
  const received =
    asset.contract === null
      ? await receivedNative(endpoints, { parent, header, logs, safe: network.safe }, claim.address)
      : await receivedTokens(endpoints, { parent, header, logs }, asset.contract, claim.address);
  return received > 0n ? received : 0n;
}

interface Block {
  readonly parent: VerifiedHeader;
  readonly header: VerifiedHeader;
  readonly logs: readonly EvmProvenLog[];
}

/** By what the balance grew, and what the Safe logged as received from the address. */
async function receivedNative(
  endpoints: readonly SendRpc[],
  { parent, header, logs, safe }: Block & { readonly safe: string },
  address: string,
): Promise<bigint> {
  const [before, after] = await Promise.all(
    [parent, header].map(async (at) => (await readAccount(endpoints, at, address, [])).balanceWei),
  );
  const flushed = logs
    .filter((log) => same(log.address, safe) && log.topics[0] === receivedTopic && log.topics.length === 2)
    .filter((log) => addressOf(log.topics[1]) === address.toLowerCase())
    .reduce((sum, log) => sum + amountOf(log), 0n);
  return (after ?? 0n) - (before ?? 0n) + flushed;
}

/** The smaller of what Transfer logs say and what the balances say. */
async function receivedTokens(
  endpoints: readonly SendRpc[],
  { parent, header, logs }: Block,
  contract: string,
  address: string,
): Promise<bigint> {
  const own = address.toLowerCase();
  let inSum = 0n;
  let outSum = 0n;
  for (const log of logs) {
    if (!same(log.address, contract) || log.topics[0] !== transferTopic || log.topics.length !== 3) continue;
    const [, from, to] = log.topics.map(addressOf);
    if (from === to) continue;
    if (to === own) inSum += amountOf(log);
    if (from === own) outSum += amountOf(log);
  }
  if (inSum === 0n) return 0n;
  const call = { to: contract, data: `${balanceSelector}${own.slice(2).padStart(64, '0')}` };
  const balances = await askAll('the balance of a deposit address', endpoints, async (send) => {
    const answers = await send(
      [parent, header].map(({ hash }) => ({ method: 'eth_call', params: [call, { blockHash: hash }] })),
    );
    return answers.map((answer) => parseValue(Word, answer, 'node-unavailable', 'balanceOf'));
  });
  const [before, after] = balances.map(BigInt);
  const byBalance = (after ?? 0n) - (before ?? 0n) + outSum;
  return byBalance < inSum ? byBalance : inSum;
}

function amountOf(log: EvmProvenLog): bigint {
  return /^0x[0-9a-fA-F]{64}$/.test(log.data) ? BigInt(log.data) : 0n;
}

/** Lower case; what is no address padded with zeros is nobody's. */
function addressOf(topic: string | undefined): string {
  const [, address] = /^0x0{24}([0-9a-fA-F]{40})$/.exec(topic ?? '') ?? [];
  return `0x${address?.toLowerCase()}`;
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
