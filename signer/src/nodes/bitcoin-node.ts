import type { InspectedInput } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import Type, { type Static } from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import { assertEnoughNodes } from './assert-enough-nodes.ts';
import { agreeOnBlock, readHeaderChain, type ProvenTransaction } from './bitcoin-proofs.ts';
import { createBoundedCache } from './bounded-cache.ts';
import type { SendRpc } from './json-rpc.ts';
import { proveCoinTransactions } from './prove-coin-transactions.ts';

/** An unspent output in the chain, proven to this signer. */
export interface ChainCoin {
  readonly amountSats: bigint;
  /** Hex. */
  readonly script: string;
  /** The smallest that any endpoint reports. */
  readonly confirmations: number;
  readonly coinbase: boolean;
}

export interface BitcoinFacts {
  /** The smallest tip of any endpoint. */
  readonly height: number;
  /** Median of the last eleven block times up to that tip (BIP-113). */
  readonly blockTimeMs: number;
  /** The smallest estimate of any endpoint for six blocks, rounded up; null when none has one. */
  readonly feeRateSatVb: number | null;
  /** One an input; null when it does not exist or is spent in the chain. */
  readonly coins: readonly (ChainCoin | null)[];
}

/** `gettxout` of Bitcoin Core 28, the fields that we read. */
const TxOut = Type.Union([
  Type.Null(),
  Type.Object({
    confirmations: Type.Integer({ minimum: 0 }),
    value: Type.Number({ minimum: 0, maximum: 21_000_000 }),
    scriptPubKey: Type.Object({ hex: Type.String({ pattern: '^([0-9a-f]{2})*$' }) }),
    coinbase: Type.Boolean(),
  }),
]);
/** `getblockchaininfo`, the fields that we read: both of one moment. */
const ChainInfo = Type.Object({
  blocks: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }),
  bestblockhash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
const Estimate = Type.Object({ feerate: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1_000 })) });
const estimateBlocks = 6;
/** BIP-113. */
const medianBlocks = 11;
/** By the agreed block, whose hash fixes the blocks before it. */
const medianTimes = createBoundedCache<number>(64);

/**
 * What all endpoints say about the coins to spend, and the proof of it: each coin's transaction is hashed, is in a block
 * by its merkle root, and that block has the work of `min_confirmations` blocks. `gettxout` is asked without the mempool:
 * a coin that an earlier, unconfirmed transaction of ours spends is still there, so a replacement can be reviewed.
 * @throws Failure nodes-too-few, node-unavailable, node-disagreement, node-proof-invalid.
 */
export async function readBitcoinFacts(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  inputs: readonly InspectedInput[],
): Promise<BitcoinFacts> {
  assertEnoughNodes(endpoints, network);
  const claimed = await readClaims(endpoints, inputs);
  const { height, feeRateSatVb } = claimed;
  const [coins, blockTimeMs] = await Promise.all([
    proveClaims(endpoints, network, inputs, claimed),
    medianTimeMs(endpoints, network, height, claimed.hash),
  ]);
  return { height, blockTimeMs, feeRateSatVb, coins };
}

/**
 * Only what all endpoints say that the coins to spend carry, in satoshis, null for one that they do not know. Unproven: for
 * what a peer signs, which proves it itself.
 * @throws Failure nodes-too-few, node-unavailable, node-disagreement.
 */
export async function readBitcoinAmounts(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  inputs: readonly InspectedInput[],
): Promise<(bigint | null)[]> {
  assertEnoughNodes(endpoints, network);
  const { claims } = await readClaims(endpoints, inputs);
  return claims.map((claim) => claim && BigInt(claim.sats));
}

async function proveClaims(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  inputs: readonly InspectedInput[],
  { height, claims }: { readonly height: number; readonly claims: readonly (Claim | null)[] },
): Promise<(ChainCoin | null)[]> {
  const wanted = inputs.filter((_, at) => claims[at]);
  const proven = await proveCoinTransactions(endpoints, network, new Set(wanted.map(({ txid }) => txid)), height);
  return inputs.map(({ txid, vout }, at) => {
    const claim = claims[at];
    return claim ? provenCoin(claim, proven.get(txid), vout) : null;
  });
}

interface Claim {
  readonly sats: string;
  readonly script: string;
  readonly coinbase: boolean;
  readonly confirmations: number;
}

interface Claims {
  /** The smallest tip of any endpoint. */
  readonly height: number;
  /** Of the block at that height, when it is the tip of all. */
  readonly hash: string | null;
  readonly claims: readonly (Claim | null)[];
  readonly feeRateSatVb: number | null;
}

/** One batch an endpoint. Height and confirmations may differ by a block that is on its way; what the coins are may not. */
async function readClaims(endpoints: readonly SendRpc[], inputs: readonly InspectedInput[]): Promise<Claims> {
  const calls = [
    { method: 'getblockchaininfo', params: [] },
    { method: 'estimatesmartfee', params: [estimateBlocks] },
    ...inputs.map((input) => ({ method: 'gettxout', params: [input.txid, input.vout, false] })),
  ];
  const tips: Static<typeof ChainInfo>[] = [];
  const rates: number[] = [];
  const confirmations = inputs.map(() => Number.POSITIVE_INFINITY);
  const coins = await askAll('the coins to spend', endpoints, async (send) => {
    const [info, estimate, ...outputs] = await send(calls);
    tips.push(parseValue(ChainInfo, info, 'node-unavailable', 'getblockchaininfo'));
    const { feerate } = parseValue(Estimate, estimate, 'node-unavailable', 'estimatesmartfee');
    if (feerate !== undefined) rates.push(satVbOf(feerate));
    return outputs.map((value, at) => {
      const output = parseValue(TxOut, value, 'node-unavailable', 'gettxout');
      if (output === null) return null;
      confirmations[at] = Math.min(confirmations[at] ?? 0, output.confirmations);
      return { sats: satsOf(output.value), script: output.scriptPubKey.hex, coinbase: output.coinbase };
    });
  });
  const hashes = new Set(tips.map(({ bestblockhash }) => bestblockhash));
  return {
    height: Math.min(...tips.map(({ blocks }) => blocks)),
    hash: hashes.size === 1 ? ([...hashes][0] ?? null) : null,
    claims: coins.map((coin, at) => (coin === null ? null : { ...coin, confirmations: confirmations[at] ?? 0 })),
    feeRateSatVb: rates.length === 0 ? null : Math.min(...rates),
  };
}

/** The output as its transaction's bytes say it. @throws Failure node-proof-invalid when the endpoints said otherwise. */
function provenCoin(claim: Claim, proven: ProvenTransaction | undefined, vout: number): ChainCoin {
  const output = proven?.transaction.outputs[vout];
  const coinbase = proven?.transaction.isCoinbase;
  if (
    coinbase !== claim.coinbase ||
    output?.script !== claim.script ||
    output.amountSats !== BigInt(claim.sats) ||
    claim.confirmations === 0
  ) {
    const txid = proven?.transaction.txid ?? 'the transaction';
    throw new Failure('node-proof-invalid', `output ${vout} of ${txid} is not what the nodes say about it`);
  }
  return { amountSats: output.amountSats, script: output.script, coinbase, confirmations: claim.confirmations };
}

async function medianTimeMs(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  height: number,
  tipHash: string | null,
): Promise<number> {
  const hash = tipHash ?? (await agreeOnBlock(endpoints, height));
  const key = `${network.network} ${network.easiest_bits} ${height} ${hash}`;
  const known = medianTimes.get(key);
  if (known !== undefined) return known;
  const from = Math.max(0, height - medianBlocks + 1);
  const headers = await readHeaderChain(endpoints, network, { from, count: height - from + 1 }, { height, hash });
  const times = headers.map(({ timeMs }) => timeMs).toSorted((a, b) => a - b);
  const medianMs = times[times.length >> 1] ?? 0;
  medianTimes.set(key, medianMs);
  return medianMs;
}

/** JSON carries coins as a decimal fraction; with at most 2.1e15 sats a double still tells neighbours apart. */
function satsOf(value: number): string {
  const sats = Math.round(value * 1e8);
  if (Math.abs(sats - value * 1e8) > 0.4)
    throw new Failure('node-unavailable', 'gettxout gave a fraction of a satoshi');
  return String(sats);
}

/** From BTC a kilo-vbyte. */
function satVbOf(feerate: number): number {
  return Math.ceil(Math.round(feerate * 1e8) / 1_000);
}
