import { parseBitcoinBlock } from '@holdfast/core/chains/bitcoin/parse-block.ts';
import type { ParsedTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { assertEnoughNodes } from './assert-enough-nodes.ts';
import { agreeOnBlock, lowestBitcoinTip, provable, readHeaderChain, readProvenTransaction } from './bitcoin-proofs.ts';
import { firstThatProves } from './first-that-proves.ts';
import type { SendRpc } from './json-rpc.ts';

const Hex = Type.String({ pattern: '^([0-9a-f]{2})+$' });
/** So many headers on top are checked for work; a deeper claim is proven by these. */
const headersMax = 144;
const coinbaseMaturity = 100;

/**
 * What the claimed output pays to the script, in satoshis, by this signer's own nodes; 0 when the block is canonical and
 * deep enough and has no such output.
 * @param script of the deposit address, hex, derived by this signer.
 * @throws Failure deposit-unproven while the block is not there or not deep enough; invalid-request without an outpoint;
 * nodes-too-few, node-unavailable, node-disagreement, node-proof-invalid.
 */
export async function proveBitcoinDeposit(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  claim: DepositClaim,
  script: string,
): Promise<bigint> {
  assertEnoughNodes(endpoints, network);
  const { outpoint, block_height: height, block_hash: hash } = claim;
  if (outpoint === null) throw new Failure('invalid-request', 'a Bitcoin deposit names its output');
  const depth = (await lowestBitcoinTip(endpoints)) - height + 1;
  if (depth < network.deposit_confirmations) {
    throw new Failure('deposit-unproven', `block ${height} is ${depth} deep, not ${network.deposit_confirmations}`);
  }
  const agreed = await agreeOnBlock(endpoints, height);
  if (agreed !== hash) throw new Failure('deposit-unproven', `block ${height} is ${agreed}, not ${hash}`);
  const count = Math.min(network.deposit_confirmations, headersMax);
  await readHeaderChain(endpoints, network, { from: height, count }, { height, hash });
  const transaction = await transactionOf(endpoints, network, hash, outpoint.txid);
  const output = transaction?.outputs[outpoint.vout];
  if (!transaction || !output || output.script !== script) return 0n;
  if (transaction.isCoinbase && depth < coinbaseMaturity) {
    throw new Failure('deposit-unproven', `a coinbase output in block ${height} is not mature`);
  }
  return output.amountSats;
}

/** null: the block does not have it, as its own bytes prove. */
async function transactionOf(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  hash: string,
  txid: string,
): Promise<ParsedTransaction | null> {
  try {
    return (await readProvenTransaction(endpoints, network, txid, hash)).transaction;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  // That nodes do not show it proves nothing; the whole block does.
  const block = await firstThatProves(endpoints, async (send) => {
    const [raw] = await send([{ method: 'getblock', params: [hash, 0] }]);
    return provable(() => parseBitcoinBlock(parseValue(Hex, raw, 'node-unavailable', 'getblock'), hash));
  });
  return block.txs.find((tx) => tx.txid === txid) ?? null;
}
