import { Failure } from '../../failure.ts';
import { invariant } from '../../invariant.ts';
import { keyPathWitnessBytes, signedVsize } from './sighash.ts';
import { compactSize } from './wire.ts';

/** An unspent output of the wallet. */
export interface Coin {
  readonly txid: string;
  readonly vout: number;
  readonly amountSats: bigint;
  /** Most bytes of the witness that spends it; those of a key-path signature when left out. */
  readonly witnessBytes?: number;
}

export interface Payout {
  /** Output script, hex. */
  readonly script: string;
  readonly amountSats: bigint;
}

const inputBytes = 41;
const versionAndLockTimeBytes = 8;

/** Virtual bytes of a transaction that spends these coins and pays these scripts (hex). */
export function batchVsize(coins: readonly Pick<Coin, 'witnessBytes'>[], scripts: readonly string[]): number {
  const outputBytes = scripts.reduce((sum, script) => sum + outputSize(script), 0);
  const counts = compactSize(coins.length).length + compactSize(scripts.length).length;
  const witnessBytes = coins.reduce((sum, coin) => sum + (coin.witnessBytes ?? keyPathWitnessBytes), 0);
  return signedVsize(versionAndLockTimeBytes + counts + coins.length * inputBytes + outputBytes, witnessBytes);
}

function outputSize(script: string): number {
  const bytes = script.length / 2;
  return 8 + compactSize(bytes).length + bytes;
}

/** Fee of a size at a rate, rounded up to a whole satoshi. */
export function feeSatsFor(vsize: number, feeRateSatVb: number): bigint {
  invariant(Number.isFinite(feeRateSatVb) && feeRateSatVb > 0, `fee rate ${feeRateSatVb}`);
  return BigInt(Math.ceil(vsize * feeRateSatVb));
}

/**
 * Coins for a batch: the required ones, then the largest first until payouts and fee are covered. Largest first spends
 * the fewest inputs, so it is the cheapest transaction now; small coins wait for a consolidation.
 * @param requiredCoins spent whatever their size, so that a replacement conflicts with what it replaces.
 * @param coins confirmed coins; those also required are not taken twice.
 * @throws Failure insufficient-funds when `inputsMax` coins do not cover payouts and fee.
 */
export function selectCoins(batch: {
  readonly coins: readonly Coin[];
  readonly payouts: readonly Payout[];
  readonly changeScript: string;
  readonly feeRateSatVb: number;
  readonly requiredCoins?: readonly Coin[];
  readonly inputsMax: number;
}): Coin[] {
  const required = batch.requiredCoins ?? [];
  const taken = new Set(required.map(nameOf));
  const rest = batch.coins.filter((coin) => !taken.has(nameOf(coin))).toSorted(largestFirst);
  const targetSats = batch.payouts.reduce((sum, payout) => sum + payout.amountSats, 0n);
  const scripts = [...batch.payouts.map((payout) => payout.script), batch.changeScript];

  const selected = [...required];
  let selectedSats = selected.reduce((sum, coin) => sum + coin.amountSats, 0n);
  // The fee is that of a transaction with change: one without costs less and the difference goes to the fee.
  const neededSats = (): bigint => targetSats + feeSatsFor(batchVsize(selected, scripts), batch.feeRateSatVb);
  while (selected.length === 0 || selectedSats < neededSats()) {
    const next = rest[selected.length - required.length];
    if (!next || selected.length >= batch.inputsMax) {
      throw new Failure(
        'insufficient-funds',
        `${selected.length} coins hold ${selectedSats} sats, ${neededSats()} are needed`,
        {
          fix: next
            ? 'Consolidate the wallet’s coins or pay fewer withdrawals in one batch.'
            : 'Wait for coins to confirm or refill the hot wallet.',
        },
      );
    }
    selected.push(next);
    selectedSats += next.amountSats;
  }
  return selected;
}

export function nameOf(coin: Coin): string {
  return `${coin.txid}:${coin.vout}`;
}

/** Ties are broken by name, so that the same coins always give the same transaction. */
function largestFirst(a: Coin, b: Coin): number {
  if (a.amountSats !== b.amountSats) return a.amountSats > b.amountSats ? -1 : 1;
  return nameOf(a) < nameOf(b) ? -1 : 1;
}
