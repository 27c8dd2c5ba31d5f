import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { buildBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { batchVsize, feeSatsFor } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import { payDeposit } from '@holdfast/devnet/story/actors.ts';
import { units } from '../support/payouts.ts';
import type { Attack } from './attack.ts';
import { hotAddresses, type HotCoin, hotCoins, sendBitcoin, signBitcoin, testBitcoin } from './attack-tools-chains.ts';
import { signWithShares } from './attack-tools-frost.ts';
import { noticedAfterMs, stealQuorum } from './attack-tools-quorum.ts';
import { mustBe } from './attack-tools-signers.ts';
import { accompliceBrings, type DrillStage, victimHas } from './drill-stage.ts';

const later = '0.5';
const floatSats = units('BTC', victimHas.BTC) + units('BTC', accompliceBrings.BTC);
const noticeMs = 20_000;

/** Everything of the coins to one address. */
function drainAt(coins: readonly HotCoin[], to: string, feeRateSatVb: number): string {
  const { script } = parseBitcoinAddress(to, bitcoinParams(bitcoinNetworkId));
  const feeSats = feeSatsFor(
    batchVsize(
      coins.map(() => ({})),
      [script],
    ),
    feeRateSatVb,
  );
  const amountSats = coins.reduce((sum, coin) => sum + coin.amountSats, -feeSats);
  // Nothing is left over for a change.
  return buildBatch({ coins, payouts: [{ script, amountSats }], changeScript: script, feeRateSatVb }).rawTx;
}

/** What signers are asked for to send these coins to the cold address. */
function evacuation(stage: DrillStage, coins: readonly HotCoin[], feeRateSatVb: number) {
  const bitcoin = stage.system.first.policy.networks.find(({ family }) => family === 'bitcoin')!;
  return {
    network: bitcoinNetworkId,
    raw_tx: drainAt(coins, bitcoin.cold_addresses[0]!, feeRateSatVb),
    input_paths: coins
      .toSorted((a, b) => (a.txid < b.txid ? -1 : a.txid > b.txid ? 1 : a.vout - b.vout))
      .map(({ path }) => [...path] as [number, number]),
    change: [],
    intents: [],
    evacuation: true as const,
  };
}

/** Handed to the node, not mined. @returns 'accepted' or the node's reason. */
async function offer(stage: DrillStage, raw: string): Promise<string> {
  const said = await testBitcoin(stage.system, raw);
  if (said === 'accepted') await stage.system.chains.bitcoin!.miner.rpc('sendrawtransaction', [raw]);
  return said;
}

/** Bitcoin has no guard: whoever has the shares has the coins, and whoever pays the higher fee the block. */
export const everyCoin: Attack = {
  name: 'all shares: the float, and later deposits to addresses of the stolen key, against an evacuation by fee',
  // All of it: the float, what the fee race loses, and what it would lose of the next deposit.
  bound: { BTC: floatSats + 2n * units('BTC', later) },
  haltWithinMs: noticeMs,
  withinMs: { evacuated: 60_000 },
  run: async (stage) => {
    const { system, victim, asServer } = stage;
    const quorum = await stealQuorum(stage);
    const address = await stage.thief('BTC');
    const derive = await hotAddresses(system, asServer[0]!);
    const coins = (): Promise<HotCoin[]> => hotCoins(system, derive);
    const theft = (spent: readonly HotCoin[], feeRateSatVb: number): string =>
      signWithShares(quorum.shares.slice(0, 2), drainAt(spent, address, feeRateSatVb), spent);
    const honest = (spent: readonly HotCoin[], feeRateSatVb: number): Promise<string> =>
      signBitcoin(asServer.slice(0, 2), evacuation(stage, spent, feeRateSatVb), spent);
    const mark = stage.mark();
    const startedAtMs = performance.now();
    mustBe('the float', await sendBitcoin(system, theft(await coins(), 5)), 'accepted');
    const haltedAfterMs = await noticedAfterMs(stage, mark, bitcoinNetworkId, startedAtMs, noticeMs);
    const float = await stage.stolen('BTC', address);

    const deposit = async (): Promise<HotCoin[]> => {
      await payDeposit(system, victim, 'BTC', later);
      await system.mineBitcoin();
      await system.followed();
      return coins();
    };
    // The thief is first, the signers pay more, the thief pays more than their policy lets them.
    const raced = await deposit();
    mustBe('the thief, first', await offer(stage, theft(raced, 5)), 'accepted');
    mustBe('the evacuation, at a higher fee', await offer(stage, await honest(raced, 50)), 'accepted');
    mustBe('the thief, at the same fee', await offer(stage, theft(raced, 50)), 'insufficient fee');
    mustBe('the thief, above the policy’s ceiling', await offer(stage, theft(raced, 2_000)), 'accepted');
    await system.mineBitcoin();
    const lost = (await stage.stolen('BTC', address)) - float;

    // The signers are first, and in a block before anybody bids.
    const arrivedAtMs = performance.now();
    const saved = await deposit();
    mustBe('the evacuation, first', await sendBitcoin(system, await honest(saved, 50)), 'accepted');
    const evacuatedMs = Math.round(performance.now() - arrivedAtMs);
    const late = await testBitcoin(system, theft(saved, 2_000));
    mustBe('the thief, a block late', late, 'missing-inputs', 'bad-txns-inputs-missingorspent');
    quorum.close();
    const left = { BTC: await stage.stolen('BTC', address) };
    const notes = [
      `the float of ${float} sat was gone before anybody looked; of two later deposits of ${later} BTC, ${lost} sat to the ` +
        `thief, who bid more than the policy's ceiling, the other to the cold address, ${evacuatedMs} ms after it was paid`,
    ];
    const evidence = [...stage.evidenceSince(mark), `chain ${late}`];
    return {
      left,
      haltedAfterMs,
      afterMs: { evacuated: Math.round(performance.now() - startedAtMs) },
      evidence,
      notes,
    };
  },
};
