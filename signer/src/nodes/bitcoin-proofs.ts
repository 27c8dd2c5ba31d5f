import { parseBitcoinHeader, type BitcoinHeader } from '@holdfast/core/chains/bitcoin/block-header.ts';
import { verifyMerkleProof } from '@holdfast/core/chains/bitcoin/merkle-proof.ts';
import { parseBitcoinTransaction, type ParsedTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import { firstThatProves } from './first-that-proves.ts';
import type { SendRpc } from './json-rpc.ts';

const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Hex = Type.String({ pattern: '^([0-9a-f]{2})+$' });
const HeaderHex = Type.String({ pattern: '^[0-9a-f]{160}$' });
const Height = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });

/** A transaction and the block that it was proven to be in. */
export interface ProvenTransaction {
  readonly transaction: ParsedTransaction;
  readonly blockHash: string;
}

/** The smallest tip of any endpoint. @throws Failure node-unavailable. */
export async function lowestBitcoinTip(endpoints: readonly SendRpc[]): Promise<number> {
  const tips = endpoints.map(async (send) => {
    const [count] = await send([{ method: 'getblockcount', params: [] }]);
    return parseValue(Height, count, 'node-unavailable', 'getblockcount');
  });
  return Math.min(...(await Promise.all(tips)));
}

/** Hash of the block at a height, which every endpoint must give alike. @throws Failure node-disagreement, node-unavailable. */
export async function agreeOnBlock(endpoints: readonly SendRpc[], height: number): Promise<string> {
  return askAll(`block ${height}`, endpoints, async (send) => {
    const [hash] = await send([{ method: 'getblockhash', params: [height] }]);
    return parseValue(Hash, hash, 'node-unavailable', 'getblockhash');
  });
}

/**
 * Headers of a run of blocks, linked, each with the work that the policy asks for at least, one of them agreed on.
 * @throws Failure node-proof-invalid, node-unavailable.
 */
export async function readHeaderChain(
  endpoints: readonly SendRpc[],
  network: Pick<BitcoinNetworkPolicy, 'easiest_bits'>,
  range: { readonly from: number; readonly count: number },
  agreed: { readonly height: number; readonly hash: string },
): Promise<BitcoinHeader[]> {
  return firstThatProves(endpoints, async (send) => {
    const heights = Array.from({ length: range.count }, (_, at) => range.from + at);
    const hashes = await send(heights.map((height) => ({ method: 'getblockhash', params: [height] })));
    const answers = await send(
      hashes.map((hash) => ({
        method: 'getblockheader',
        params: [parseValue(Hash, hash, 'node-unavailable', 'getblockhash'), false],
      })),
    );
    const headers = answers.map((answer) =>
      provable(() =>
        parseBitcoinHeader(parseValue(HeaderHex, answer, 'node-unavailable', 'getblockheader'), network.easiest_bits),
      ),
    );
    const isLinked = headers.every((header, at) => at === 0 || header.prev === headers[at - 1]?.hash);
    if (!isLinked || headers[agreed.height - range.from]?.hash !== agreed.hash) {
      throw new Failure('node-proof-invalid', `blocks from ${range.from} do not lead to block ${agreed.hash}`);
    }
    return headers;
  });
}

/**
 * A transaction with the proof that it is in a block with work (BIP-37).
 * @param blockHash null: the node looks for it, by its index or among unspent outputs.
 * @throws Failure node-proof-invalid, node-unavailable (not there, as far as these nodes know).
 */
export async function readProvenTransaction(
  endpoints: readonly SendRpc[],
  network: Pick<BitcoinNetworkPolicy, 'easiest_bits'>,
  txid: string,
  blockHash: string | null,
): Promise<ProvenTransaction> {
  const [proven] = await readProvenTransactions(endpoints, network, [txid], blockHash);
  invariant(proven, 'one transaction was asked for');
  return proven;
}

/**
 * Several at once, in their order, in one batch of calls: one that the node does not know spoils all.
 * @throws Failure node-proof-invalid, node-unavailable.
 */
export async function readProvenTransactions(
  endpoints: readonly SendRpc[],
  network: Pick<BitcoinNetworkPolicy, 'easiest_bits'>,
  txids: readonly string[],
  blockHash: string | null = null,
): Promise<ProvenTransaction[]> {
  return firstThatProves(endpoints, async (send) => {
    const params = (txid: string): unknown[] => (blockHash === null ? [[txid]] : [[txid], blockHash]);
    const proofs = await send(txids.map((txid) => ({ method: 'gettxoutproof', params: params(txid) })));
    const places = txids.map((txid, at) => ({ txid, blockHash: provenBlock(proofs[at], network, txid, blockHash) }));
    const raws = await send(
      places.map((place) => ({ method: 'getrawtransaction', params: [place.txid, false, place.blockHash] })),
    );
    return places.map((place, at) => ({
      transaction: rawTransaction(raws[at], place.txid),
      blockHash: place.blockHash,
    }));
  });
}

/** Hash of the block that a merkle proof leads to. */
function provenBlock(
  proof: unknown,
  network: Pick<BitcoinNetworkPolicy, 'easiest_bits'>,
  txid: string,
  blockHash: string | null,
): string {
  const { header, txids } = provable(() =>
    verifyMerkleProof(parseValue(Hex, proof, 'node-unavailable', 'gettxoutproof'), network.easiest_bits),
  );
  if (!txids.includes(txid) || (blockHash !== null && header.hash !== blockHash)) {
    throw new Failure('node-proof-invalid', `a proof of something else than ${txid}`);
  }
  return header.hash;
}

function rawTransaction(raw: unknown, txid: string): ParsedTransaction {
  const transaction = provable(() =>
    parseBitcoinTransaction(parseValue(Hex, raw, 'node-unavailable', 'getrawtransaction')),
  );
  if (transaction.txid !== txid) {
    throw new Failure('node-proof-invalid', `the node sent transaction ${transaction.txid} for ${txid}`);
  }
  return transaction;
}

/** Bytes that a node sent and that do not decode are the node's fault, not the request's. */
export function provable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Failure && error.code === 'transaction-malformed') {
      throw new Failure('node-proof-invalid', `a node's answer does not decode: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
