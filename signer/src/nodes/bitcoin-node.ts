import { Failure } from '@holdfast/core/failure.ts';
import type { InspectedInput } from '@holdfast/core/chains/bitcoin/inspect.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import type { SendRpc } from './json-rpc.ts';

/** An unspent output in the chain, as this signer's own nodes see it. */
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
const Height = Type.Integer({ minimum: 0 });

/**
 * RPC `gettxout` without the mempool: a coin that an earlier, unconfirmed transaction of ours spends is still there, so a
 * replacement can be reviewed.
 * @throws Failure node-unavailable, node-disagreement.
 */
export async function readBitcoinFacts(
  endpoints: readonly SendRpc[],
  inputs: readonly InspectedInput[],
): Promise<BitcoinFacts> {
  const calls = [
    { method: 'getblockcount', params: [] },
    ...inputs.map((input) => ({ method: 'gettxout', params: [input.txid, input.vout, false] })),
  ];
  const heights: number[] = [];
  const confirmations = inputs.map(() => Number.POSITIVE_INFINITY);
  // Height and confirmations may differ by a block that is still on its way; what the coins are may not.
  const coins = await askAll('the coins to spend', endpoints, async (send) => {
    const [height, ...outputs] = await send(calls);
    heights.push(parseValue(Height, height, 'node-unavailable', 'getblockcount'));
    return outputs.map((value, at) => {
      const output = parseValue(TxOut, value, 'node-unavailable', 'gettxout');
      if (output === null) return null;
      confirmations[at] = Math.min(confirmations[at] ?? 0, output.confirmations);
      return { sats: satsOf(output.value), script: output.scriptPubKey.hex, coinbase: output.coinbase };
    });
  });
  return {
    height: Math.min(...heights),
    coins: coins.map((coin, at) => {
      if (coin === null) return null;
      const { sats, script, coinbase } = coin;
      return { amountSats: BigInt(sats), script, coinbase, confirmations: confirmations[at] ?? 0 };
    }),
  };
}

/** JSON carries coins as a decimal fraction; with at most 2.1e15 sats a double still tells neighbours apart. */
function satsOf(value: number): string {
  const sats = Math.round(value * 1e8);
  if (Math.abs(sats - value * 1e8) > 0.4)
    throw new Failure('node-unavailable', 'gettxout gave a fraction of a satoshi');
  return String(sats);
}
