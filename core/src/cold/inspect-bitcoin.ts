import { bytesToHex } from '@noble/hashes/utils.js';
import { coldLeafScript, deriveWalletAddress, leafMerkleRoot } from '../chains/bitcoin/derive-address.ts';
import type { InspectedTransaction } from '../chains/bitcoin/inspect.ts';
import { segwitSighashes, tapscriptSighashes } from '../chains/bitcoin/script-sighashes.ts';
import { Failure } from '../failure.ts';
import type { KeyPath } from '../keys/derive-child.ts';
import { recoveryVsize, refillVsize } from './bitcoin-size.ts';
import { bitcoinAmount } from './cold-amount.ts';
import { type ColdWallet, coldWallet } from './cold-wallet.ts';
import { inspectPsbt, type SpentCoin } from './inspect-psbt.ts';
import type { ChainReading } from './reading.ts';
import type { BitcoinPayload } from './request.ts';
import type { ColdSetup } from './setup.ts';

/** BIP-125: replaceable, and no relative lock time. */
const sequence = 0xffff_fffd;
const txVersion = 2;
/** The branch of the hot wallet's own coins; branch 0 has the customers' deposit addresses. */
const hotBranch = 1;

type Line = readonly [string, string];

/**
 * Reads a refill: cold coins to hot addresses that this machine derives from the setup, the rest back to the same cold
 * script, and a fee within the setup's bounds.
 * @throws Failure transaction-malformed, input-not-ours, output-unaccounted, payment-missing, fee-too-high.
 */
export function inspectBitcoinRefill(payload: BitcoinPayload, setup: ColdSetup): ChainReading {
  const wallet = coldWallet(setup);
  const script = bytesToHex(wallet.witnessScript);
  const { tx, coins } = inspectPsbt(payload.psbt, (spent) => (spent === wallet.script ? script : undefined));
  refuseOtherForm(tx);
  const alien = coins.find((coin) => coin.script !== wallet.script);
  if (alien) throw new Failure('input-not-ours', `${nameOf(alien)} is no coin of the cold wallet`);
  const hot = hotScripts(payload.paths, wallet);
  // One change output, and nothing twice.
  refuseMoreOutputs(tx, payload.paths.length + 1);
  const paid = new Set<string>();
  const outputs = tx.outputs.map(({ script: to, amountSats }): Line => {
    if (to === wallet.script)
      return ['change', `${bitcoinAmount(amountSats)} back to the cold wallet, ${wallet.address}`];
    const found = hot.get(to);
    if (!found)
      throw new Failure('output-unaccounted', `${amountSats} sats go to the script ${to}: neither hot nor cold`);
    paid.add(to);
    return [
      'pays',
      `${bitcoinAmount(amountSats)} to the hot wallet, ${found.address}, path ${found.path.join('/')}, derived here`,
    ];
  });
  const unpaid = [...hot].find(([to]) => !paid.has(to));
  if (unpaid) throw new Failure('payment-missing', `nothing goes to ${unpaid[1].address}, which the request names`);
  const { witnessScript } = wallet;
  const scriptCoins = coins.map(({ amountSats }) => ({ witnessScript, amountSats }));
  return {
    lines: [
      ['what', 'REFILL: Bitcoin from the cold wallet to the hot wallet'],
      ...coinLines(coins),
      ['outputs', String(outputs.length)],
      ...outputs,
      feeLine(tx, coins, refillVsize(tx), wallet),
    ],
    spends: coins.map((coin) => spendName(wallet, coin)),
    hashes: segwitSighashes(tx, scriptCoins).map((hash) => ({ scheme: 'ecdsa', hash })),
  };
}

/**
 * Reads a recovery: coins at hot addresses, spent by the custodians' leaf, all to the cold wallet.
 * @throws Failure transaction-malformed, input-not-ours, output-unaccounted, fee-too-high.
 */
export function inspectBitcoinRecovery(payload: BitcoinPayload, setup: ColdSetup): ChainReading {
  const wallet = coldWallet(setup);
  const { hot } = wallet;
  if (!hot)
    throw new Failure('input-not-ours', 'the hot wallet is of the signers’ own keys: custodians have no leaf in it');
  const { tx, coins } = inspectPsbt(payload.psbt, () => undefined);
  refuseOtherForm(tx);
  refuseMoreOutputs(tx, payload.paths.length + 1);
  if (payload.paths.length !== coins.length)
    throw new Failure('input-not-ours', `${coins.length} coins and ${payload.paths.length} paths`);
  coins.forEach((coin, index) => {
    const path = payload.paths[index] as KeyPath;
    if (deriveWalletAddress(hot, path, wallet.params).script !== coin.script)
      throw new Failure('input-not-ours', `${nameOf(coin)} is not at the hot address of path ${path.join('/')}`);
  });
  const outputs = tx.outputs.map(({ script, amountSats }): Line => {
    if (script !== wallet.script)
      throw new Failure('output-unaccounted', `${amountSats} sats go to the script ${script}: not cold`);
    return ['pays', `${bitcoinAmount(amountSats)} to the cold wallet, ${wallet.address}`];
  });
  return {
    lines: [
      ['what', 'RECOVERY: hot Bitcoin coins to the cold wallet, without the signers'],
      ...coinLines(coins),
      ['outputs', String(outputs.length)],
      ...outputs,
      feeLine(tx, coins, recoveryVsize(tx), wallet),
    ],
    spends: coins.map((coin) => spendName(wallet, coin)),
    hashes: tapscriptSighashes(tx, coins, leafMerkleRoot(coldLeafScript(hot.coldKeys))).map((hash) => ({
      scheme: 'schnorr',
      hash,
    })),
  };
}

/** One form, so that nothing hides in it: a lock time would keep a signed transaction for later. */
function refuseOtherForm({ version, lockTime, inputs }: InspectedTransaction): void {
  if (version !== txVersion) throw new Failure('transaction-malformed', `transaction version ${version}`);
  if (lockTime !== 0) throw new Failure('transaction-malformed', `lock time ${lockTime}`);
  const other = inputs.find((input) => input.sequence !== sequence);
  if (other) throw new Failure('transaction-malformed', `sequence ${other.sequence} of ${nameOf(other)}`);
}

function refuseMoreOutputs({ outputs }: InspectedTransaction, max: number): void {
  if (outputs.length > max)
    throw new Failure('output-unaccounted', `${outputs.length} outputs; the request names what explains ${max}`);
}

function hotScripts(
  paths: BitcoinPayload['paths'],
  wallet: ColdWallet,
): Map<string, { address: string; path: KeyPath }> {
  const scripts = new Map<string, { address: string; path: KeyPath }>();
  for (const path of paths) {
    if (path[0] !== hotBranch)
      throw new Failure(
        'output-unaccounted',
        `path ${path.join('/')} is a customer's deposit address, not the hot wallet's own`,
      );
    const { address, script } = wallet.hotAddress(path);
    if (scripts.has(script)) throw new Failure('cold-request-invalid', `path ${path.join('/')} stands there twice`);
    scripts.set(script, { address, path });
  }
  return scripts;
}

function feeLine(tx: InspectedTransaction, coins: readonly SpentCoin[], vsize: number, { setup }: ColdWallet): Line {
  const inSats = coins.reduce((sum, { amountSats }) => sum + amountSats, 0n);
  const feeSats = inSats - tx.outputs.reduce((sum, { amountSats }) => sum + amountSats, 0n);
  if (feeSats < 0n) throw new Failure('transaction-malformed', `${-feeSats} sats more are paid than spent`);
  const byRate = BigInt(setup.fee_rate_max_sat_vb) * BigInt(vsize);
  const maxSats = byRate < BigInt(setup.fee_max_sats) ? byRate : BigInt(setup.fee_max_sats);
  if (feeSats > maxSats) {
    throw new Failure(
      'fee-too-high',
      `a fee of ${feeSats} sats; at most ${setup.fee_max_sats}, and ${setup.fee_rate_max_sat_vb} for each of ${vsize} vbytes`,
    );
  }
  // Hundredths of a satoshi, exactly.
  const rate = (feeSats * 100n) / BigInt(vsize);
  const rateText = `${rate / 100n}.${(rate % 100n).toString().padStart(2, '0')}`;
  return [
    'fee',
    `${bitcoinAmount(feeSats)}, ${rateText} sat/vB of at most ${vsize} vbytes; the setup allows ${maxSats}`,
  ];
}

function coinLines(coins: readonly SpentCoin[]): Line[] {
  const total = coins.reduce((sum, { amountSats }) => sum + amountSats, 0n);
  return [
    ['spends', `${bitcoinAmount(total)} in ${coins.length} ${coins.length === 1 ? 'coin' : 'coins'}`],
    ...coins.map((coin): Line => ['coin', `${nameOf(coin)}, ${bitcoinAmount(coin.amountSats)}`]),
  ];
}

function spendName({ setup }: ColdWallet, coin: SpentCoin): string {
  return `${setup.network}/${nameOf(coin)}`;
}

function nameOf({ txid, vout }: { readonly txid: string; readonly vout: number }): string {
  return `${txid}:${vout}`;
}
