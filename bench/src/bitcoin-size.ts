import { buildBatch, finalizeTransaction } from '@holdfast/core/chains/bitcoin/build.ts';
import { type Coin, type Payout, selectCoins } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import { inputsMax } from '@holdfast/core/signing/messages.ts';
import { type BenchResult, tableOf } from './result.ts';

const payoutCount = 100;
const payoutSats = 10_000n;
const feeRateSatVb = 10;
const changeScript = `5120${'cc'.repeat(32)}`;
const signature = new Uint8Array(64).fill(1);

/**
 * Virtual bytes a payout (P2WPKH, the commonest destination) of one batch of 100 beside 100 transactions of one payout
 * each: inputs are spent by key path, change goes back to P2TR. Signatures are counted.
 */
export async function run(): Promise<BenchResult[]> {
  const alone = signedBatch(1);
  const batch = signedBatch(payoutCount);
  const ofSmallCoins = signedBatch(payoutCount, payoutSats);
  return [
    { name: 'Bitcoin payout alone', value: alone.vsize, unit: 'vB', note: '1 input, 1 payout, change' },
    {
      name: 'Bitcoin payout in a batch of 100',
      value: batch.vsize / payoutCount,
      unit: 'vB',
      note: '1 input, 100 payouts, change',
    },
    { name: 'Bitcoin payout, alone beside in a batch', value: alone.vsize / (batch.vsize / payoutCount), unit: 'x' },
    {
      name: 'Bitcoin payout in a batch of 100, small coins',
      value: ofSmallCoins.vsize / payoutCount,
      unit: 'vB',
      note: `${ofSmallCoins.inputs} inputs of one payout's amount: the batch consolidates them as well`,
    },
  ];
}

/** Size of a signed batch whose coins hold `coinSats` each; by default one coin suffices. */
function signedBatch(payouts: number, coinSats = 10n ** 10n): { vsize: number; inputs: number } {
  const asked: Payout[] = Array.from({ length: payouts }, (_, n) => ({
    script: `0014${n.toString(16).padStart(40, '0')}`,
    amountSats: payoutSats,
  }));
  const coins: Coin[] = Array.from({ length: inputsMax }, (_, n) => ({
    txid: n.toString(16).padStart(64, '0'),
    vout: 0,
    amountSats: coinSats,
  }));
  const common = { payouts: asked, changeScript, feeRateSatVb };
  const batch = buildBatch({ ...common, coins: selectCoins({ ...common, coins, inputsMax }) });
  const signatures = batch.inputs.map(() => signature);
  return { vsize: finalizeTransaction(batch.rawTx, signatures).vsize, inputs: signatures.length };
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
