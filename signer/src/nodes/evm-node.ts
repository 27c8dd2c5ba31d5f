import { Failure } from '@holdfast/core/failure.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import type { SendRpc } from './json-rpc.ts';

const Quantity = Type.String({ pattern: '^0x[0-9a-f]{1,64}$' });
const Word = Type.String({ pattern: '^0x[0-9a-f]{64}$' });
const Block = Type.Object({ number: Quantity });
const Words = Type.String({ pattern: '^0x([0-9a-f]{64})+$', maxLength: 10_000 });
/** Safe.sol: nonce(), getThreshold(), getOwners(), VERSION(). */
const selectors = {
  nonce: '0xaffed0e0',
  threshold: '0xe75235b8',
  owners: '0xa0e67e2b',
  version: '0xffa1ad74',
} as const;
/** ABI encoding of the string 1.5.0. Other versions log executions in another form, see dead-safe-transactions.ts. */
const versionAnswer = `0x${word(0x20)}${word(5)}${'312e352e30'.padEnd(64, '0')}`;

export interface SafeView {
  /** The smallest tip of any endpoint. */
  readonly height: number;
  /** The Safe's next nonce at that block. */
  readonly nonce: bigint;
}

/** @throws Failure node-unavailable, node-disagreement. */
export async function readSafe(endpoints: readonly SendRpc[], safe: string): Promise<SafeView> {
  const heights = await Promise.all(endpoints.map(readHeight));
  const height = Math.min(...heights);
  const nonce = await askAll('the nonce of the Safe', endpoints, async (send) =>
    (await nonceAt(send, safe, height)).toString(),
  );
  return { height, nonce: BigInt(nonce) };
}

export async function readHeight(send: SendRpc): Promise<number> {
  const [tip] = await send([{ method: 'eth_blockNumber', params: [] }]);
  return Number(parseValue(Quantity, tip, 'node-unavailable', 'eth_blockNumber'));
}

/**
 * The last block that one endpoint calls final: `finalityBlocks` below its tip, and not above its block `finalized`
 * (Engine API) where it answers that tag; a proof-of-stake chain that has stopped finalising is not deep but undecided.
 */
export async function readFinalHeight(send: SendRpc, finalityBlocks: number): Promise<number> {
  const finalized = send([{ method: 'eth_getBlockByNumber', params: ['finalized', false] }]).then(
    ([block]) => Number(parseValue(Block, block, 'node-unavailable', 'eth_getBlockByNumber').number),
    () => Number.POSITIVE_INFINITY,
  );
  return Math.min((await readHeight(send)) - finalityBlocks, await finalized);
}

/** The Safe's next nonce after a block, by one endpoint. */
export async function nonceAt(send: SendRpc, safe: string, height: number): Promise<bigint> {
  const call = { to: safe, data: selectors.nonce };
  const [word] = await send([{ method: 'eth_call', params: [call, `0x${height.toString(16)}`] }]);
  return BigInt(parseValue(Word, word, 'node-unavailable', 'nonce of the Safe'));
}

/**
 * Checks once that the nodes serve the expected chain and that the Safe there is ours: version 1.5.0, this signer is an
 * owner and more than half of the owners must sign.
 * @throws Failure chain-mismatch, node-unavailable, node-disagreement.
 */
export async function assertSafeIsOurs(
  endpoints: readonly SendRpc[],
  safe: string,
  chainId: bigint,
  owner: string,
): Promise<void> {
  const seen = await askAll('the Safe', endpoints, async (send) => {
    const [chain, threshold, owners, version] = await send([
      { method: 'eth_chainId', params: [] },
      ethCall(safe, selectors.threshold),
      ethCall(safe, selectors.owners),
      ethCall(safe, selectors.version),
    ]);
    return {
      chain: parseValue(Quantity, chain, 'node-unavailable', 'eth_chainId'),
      threshold: parseValue(Word, threshold, 'chain-mismatch', 'threshold of the Safe'),
      owners: parseValue(Words, owners, 'chain-mismatch', 'owners of the Safe'),
      version: parseValue(Words, version, 'chain-mismatch', 'version of the Safe'),
    };
  });
  if (BigInt(seen.chain) !== chainId)
    throw new Failure('chain-mismatch', `the nodes serve chain ${BigInt(seen.chain)}, not ${chainId}`);
  if (seen.version !== versionAnswer) throw new Failure('chain-mismatch', `the Safe ${safe} is not of version 1.5.0`);
  // ABI encoding of address[]: offset, length, one word an owner.
  const [, , ...owners] = seen.owners.slice(2).match(/.{64}/g) ?? [];
  if (!owners.includes(owner.slice(2).toLowerCase().padStart(64, '0'))) {
    throw new Failure('chain-mismatch', `this signer, ${owner}, is no owner of the Safe ${safe}`);
  }
  if (2n * BigInt(seen.threshold) <= BigInt(owners.length)) {
    throw new Failure(
      'chain-mismatch',
      `threshold ${BigInt(seen.threshold)} of ${owners.length}: two quorums need not share a signer`,
    );
  }
}

function word(value: number): string {
  return value.toString(16).padStart(64, '0');
}

function ethCall(to: string, data: string): { method: string; params: unknown[] } {
  return { method: 'eth_call', params: [{ to, data }, 'latest'] };
}
