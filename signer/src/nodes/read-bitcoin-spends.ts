import { parseBitcoinBlock, type ParsedBlock } from '@holdfast/core/chains/bitcoin/parse-block.ts';
import { Failure } from '@holdfast/core/failure.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import { agreeOnBlock, provable } from './bitcoin-proofs.ts';
import { firstThatProves } from './first-that-proves.ts';
import type { SendRpc } from './json-rpc.ts';

const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Hex = Type.String({ pattern: '^([0-9a-f]{2})+$' });
/** `getblock` with verbosity 3: each input with the output that it spends. */
const BlockWithPrevouts = Type.Object({
  tx: Type.Array(
    Type.Object({
      txid: Hash,
      vin: Type.Array(
        Type.Object({
          txid: Type.Optional(Hash),
          vout: Type.Optional(Type.Integer({ minimum: 0 })),
          prevout: Type.Optional(Type.Object({ scriptPubKey: Type.Object({ hex: Type.String() }) })),
        }),
      ),
    }),
  ),
});

/**
 * Transactions in these blocks (both ends included) that spend an output with one of our scripts, oldest first. The
 * block's own bytes say which transactions and inputs there are; all endpoints must agree whose outputs they spend.
 * @param isOurs by script, hex.
 * @throws Failure node-unavailable, node-disagreement, node-proof-invalid.
 */
export async function readBitcoinSpends(
  endpoints: readonly SendRpc[],
  fromHeight: number,
  toHeight: number,
  isOurs: (script: string) => boolean,
): Promise<{ txid: string; height: number }[]> {
  const spends: { txid: string; height: number }[] = [];
  for (let height = fromHeight; height <= toHeight; height++) {
    const hash = await agreeOnBlock(endpoints, height);
    const block = await firstThatProves(endpoints, async (send) => {
      const [raw] = await send([{ method: 'getblock', params: [hash, 0] }]);
      return provable(() => parseBitcoinBlock(parseValue(Hex, raw, 'node-unavailable', 'getblock'), hash));
    });
    // An empty block has its coinbase alone, which spends nothing.
    if (block.txs.length === 1) continue;
    const txids = await askAll(`the coins spent in block ${height}`, endpoints, async (send) =>
      spendsIn(send, hash, block, isOurs),
    );
    spends.push(...txids.map((txid) => ({ txid, height })));
  }
  return spends;
}

async function spendsIn(
  send: SendRpc,
  hash: string,
  block: ParsedBlock,
  isOurs: (script: string) => boolean,
): Promise<string[]> {
  const [answer] = await send([{ method: 'getblock', params: [hash, 3] }]);
  const told = parseValue(BlockWithPrevouts, answer, 'node-unavailable', 'getblock');
  const wrong = (): Failure => new Failure('node-proof-invalid', `a node tells of another block than ${hash}`);
  if (told.tx.length !== block.txs.length) throw wrong();
  return block.txs.flatMap((tx, at) => {
    const other = told.tx[at];
    if (other?.txid !== tx.txid || (!tx.isCoinbase && other.vin.length !== tx.inputs.length)) throw wrong();
    const spent = tx.inputs.map(({ txid, vout }, input) => {
      const vin = other.vin[input];
      if (vin?.txid !== txid || vin.vout !== vout || vin.prevout === undefined) throw wrong();
      return vin.prevout.scriptPubKey.hex;
    });
    return spent.some(isOurs) ? [tx.txid] : [];
  });
}
