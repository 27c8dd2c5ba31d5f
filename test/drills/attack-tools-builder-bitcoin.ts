import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import type { Attack, Outcome } from './attack.ts';
import {
  type BitcoinAttempt,
  type BuilderCoin,
  builderView,
  type BuilderView,
  builtRequest,
  lookAlike,
  offerToNode,
  scriptOf,
  signaturesOf,
  thiefTaproot,
  tryBitcoinBytes,
} from './attack-tools-bitcoin-bytes.ts';
import { askAll, evidenceOf, lootIn, mustBePaid, ownPayment } from './attack-tools-refusals.ts';
import type { DrillStage } from './drill-stage.ts';

interface Scene {
  readonly stage: DrillStage;
  readonly view: BuilderView;
  readonly intent: AuthorizedIntent;
  readonly intents: readonly AuthorizedIntent[];
  /** The honest request for the intent. */
  readonly honest: SignBitcoinRequest;
  readonly thief: { readonly address: string; readonly script: string };
}

async function sceneOf(stage: DrillStage): Promise<Scene> {
  const intent = ownPayment(stage, stage.victim, 'BTC', '0.1');
  const view = await builderView(stage);
  const intents = [intent];
  return { stage, view, intent, intents, honest: builtRequest(view, intents), thief: thiefTaproot() };
}

/** The thief's bytes, all refused; then the honest ones for the same intent, paid. */
function attackOn(
  name: string,
  plan: (scene: Scene) => Promise<{ attempts: readonly BitcoinAttempt[]; pockets?: readonly string[] }>,
): Attack {
  return {
    name,
    run: async (stage): Promise<Outcome> => {
      const scene = await sceneOf(stage);
      const mark = stage.mark();
      const { attempts, pockets = [] } = await plan(scene);
      await tryBitcoinBytes(stage, scene.view, attempts);
      const left = await lootIn(stage, { BTC: [scene.thief.address, ...pockets] });
      const evidence = evidenceOf(stage, mark);
      await mustBePaid(stage, [{ asset: 'BTC', authorized: scene.intent }]);
      return { left, haltedAfterMs: null, evidence };
    },
  };
}

export const foreignChange = attackOn('change to an address that looks like ours', async (scene) => {
  const { stage, view, intents, thief } = scene;
  const alike = lookAlike(view.derive([1, view.changeIndex]).address);
  const toAlike = builtRequest(view, intents, { changeScript: scriptOf(alike) });
  // Ours, but whatever comes there is a deposit of the accomplice's.
  const deposit = scriptOf(stage.accomplice.addresses.get(bitcoinNetworkId)!);
  const toDeposit = builtRequest(view, intents, { changeScript: deposit });
  const honest = builtRequest(view, intents);
  const split = builtRequest(view, intents, { more: [{ script: scriptOf(alike), amountSats: 50_000n }] });
  const attempts: BitcoinAttempt[] = [
    { name: 'a look-alike named as change', code: 'change-not-ours', request: toAlike },
    { name: 'a look-alike not named', code: 'output-unaccounted', request: { ...toAlike, change: [] } },
    {
      name: 'a thief’s key named as change',
      code: 'change-not-ours',
      request: builtRequest(view, intents, { changeScript: thief.script }),
    },
    { name: 'the accomplice’s deposit address named as change', code: 'change-not-ours', request: toDeposit },
    {
      name: 'the accomplice’s deposit address not named',
      code: 'output-unaccounted',
      request: { ...toDeposit, change: [] },
    },
    {
      name: 'the payment named as change',
      code: 'change-not-ours',
      request: { ...honest, change: [0, 1].map((output) => ({ output, index: view.changeIndex })) },
    },
    {
      name: 'two changes, one a look-alike',
      code: 'change-not-ours',
      // The smallest output comes first (BIP-69).
      request: { ...split, change: [{ output: 0, index: view.changeIndex }, split.change[0]!] },
    },
    {
      name: 'change of another index',
      code: 'change-not-ours',
      request: { ...honest, change: [{ ...honest.change[0]!, index: view.changeIndex + 7 }] },
    },
    {
      name: 'change named twice',
      code: 'change-not-ours',
      request: { ...honest, change: [honest.change[0]!, honest.change[0]!] },
    },
    {
      name: 'an output that there is not',
      code: 'change-not-ours',
      request: { ...honest, change: [...honest.change, { output: 9, index: 0 }] },
    },
    {
      name: 'a hardened index',
      code: 'invalid-request',
      request: { ...honest, change: [{ ...honest.change[0]!, index: 0x8000_0000 }] },
    },
  ];
  return { attempts, pockets: [alike] };
});

/** Above the ceilings nothing passes; what the thief mines is measured by the fees of his block. */
export const feeToMiner: Attack = {
  name: 'the rest as a fee, mined by the thief',
  run: async (stage) => {
    const scene = await sceneOf(stage);
    const { view, intents, intent, thief } = scene;
    const mark = stage.mark();
    const [coin] = view.coins;
    const all = { ...builtRequest(view, intents), raw_tx: withoutChange(view, intents), change: [] };
    await tryBitcoinBytes(stage, view, [
      { name: 'no change at all', code: 'fee-too-high', request: all },
      {
        name: 'just above the highest rate',
        code: 'fee-too-high',
        request: builtRequest(view, intents, { feeRateSatVb: 302 }),
      },
      {
        name: 'ten thousand a byte',
        code: 'fee-too-high',
        request: builtRequest(view, intents, { feeRateSatVb: 10_000 }),
      },
    ]);
    if (coin === undefined) throw new Error('the wallet has no coin');
    const { rpc } = stage.system.chains.bitcoin!.miner;
    const [block] = await rpc<string[]>('generatetoaddress', [1, thief.address]);
    const { totalfee } = await rpc<{ totalfee: number }>('getblockstats', [block, ['totalfee']]);
    const evidence = evidenceOf(stage, mark);
    await mustBePaid(stage, [{ asset: 'BTC', authorized: intent }]);
    return { left: { BTC: BigInt(totalfee) }, haltedAfterMs: null, evidence };
  },
};

/** The honest transaction with its change left to the miner. */
function withoutChange(view: BuilderView, intents: readonly AuthorizedIntent[]): string {
  const payouts = intents.map(({ intent }) => ({
    script: scriptOf(intent.destination),
    amountSats: BigInt(intent.amount),
  }));
  // A coin that pretends to hold just enough: the signers know what it holds.
  const needed = payouts.reduce((sum, payout) => sum + payout.amountSats, 0n) + 900n;
  return builtRequest(view, intents, { coins: [{ ...view.coins[0]!, amountSats: needed }] }).raw_tx;
}

export const besidesThePayment = attackOn('outputs, inputs and lock times beside the payment', async (scene) => {
  const { stage, view, intent, intents, honest, thief } = scene;
  const amountSats = BigInt(intent.intent.amount);
  const destination = scriptOf(intent.intent.destination);
  const pay = (script: string, sats: bigint): SignBitcoinRequest =>
    builtRequest(view, intents, { payouts: [{ script, amountSats: sats }] });
  const [coin] = view.coins;
  const attempts: BitcoinAttempt[] = [
    {
      name: 'an output more',
      code: 'output-unaccounted',
      request: builtRequest(view, intents, { more: [{ script: thief.script, amountSats: 600n }] }),
    },
    {
      name: 'the payment twice',
      code: 'output-unaccounted',
      request: builtRequest(view, intents, { more: [{ script: destination, amountSats }] }),
    },
    { name: 'another recipient', code: 'payment-mismatch', request: pay(thief.script, amountSats) },
    { name: 'one satoshi more', code: 'payment-mismatch', request: pay(destination, amountSats + 1n) },
    { name: 'one satoshi less', code: 'payment-mismatch', request: pay(destination, amountSats - 1n) },
    {
      name: 'a coin of the thief',
      code: 'input-not-ours',
      request: builtRequest(view, intents, { coins: [await strangersCoin(stage, view)] }),
    },
    {
      name: 'a coin that is not confirmed',
      code: 'input-not-ours',
      request: builtRequest(view, intents, { coins: [await unconfirmedCoin(stage, view)] }),
    },
    {
      name: 'a coin that there is not',
      code: 'input-not-ours',
      request: builtRequest(view, intents, { coins: [{ ...coin!, txid: 'ee'.repeat(32) }] }),
    },
    { name: 'a coin under another path', code: 'input-not-ours', request: { ...honest, input_paths: [[0, 4_000]] } },
    {
      name: 'a path too many',
      code: 'input-not-ours',
      request: { ...honest, input_paths: [...honest.input_paths, [0, 1]] },
    },
    ...otherEncodings(honest),
  ];
  return { attempts };
});

/** Bytes that mean the same, or nearly, and are not the ones that the rules allow. */
function otherEncodings(honest: SignBitcoinRequest): BitcoinAttempt[] {
  const raw = (change: (rawTx: string) => string): SignBitcoinRequest => ({ ...honest, raw_tx: change(honest.raw_tx) });
  return [
    { name: 'another version', code: 'transaction-malformed', request: raw((tx) => `01${tx.slice(2)}`) },
    { name: 'version 3', code: 'transaction-malformed', request: raw((tx) => `03${tx.slice(2)}`) },
    {
      name: 'a sequence that cannot be replaced',
      code: 'transaction-malformed',
      request: raw((tx) => tx.replace('fdffffff', 'ffffffff')),
    },
    {
      name: 'a relative lock time',
      code: 'transaction-malformed',
      request: raw((tx) => tx.replace('fdffffff', '10000000')),
    },
    {
      name: 'a lock time in a year',
      code: 'transaction-malformed',
      request: raw((tx) => `${tx.slice(0, -8)}ffff0000`),
    },
    {
      name: 'a lock time by the clock',
      code: 'transaction-malformed',
      request: raw((tx) => `${tx.slice(0, -8)}00ca9a3b`),
    },
    { name: 'a byte behind the end', code: 'transaction-malformed', request: raw((tx) => `${tx}00`) },
    { name: 'a byte cut off', code: 'transaction-malformed', request: raw((tx) => tx.slice(0, -2)) },
    {
      name: 'a count in three bytes',
      code: 'transaction-malformed',
      request: raw((tx) => `${tx.slice(0, 8)}fd0100${tx.slice(10)}`),
    },
    {
      name: 'a witness attached',
      code: 'transaction-malformed',
      request: raw((tx) => `${tx.slice(0, 8)}0001${tx.slice(8)}`),
    },
    {
      name: 'a scriptSig',
      code: 'transaction-malformed',
      request: raw((tx) => `${tx.slice(0, 82)}0151${tx.slice(84)}`),
    },
    {
      name: 'a coin twice',
      code: 'transaction-malformed',
      request: {
        ...honest,
        raw_tx: `${honest.raw_tx.slice(0, 8)}02${honest.raw_tx.slice(10, 92)}${honest.raw_tx.slice(10)}`,
        input_paths: [honest.input_paths[0]!, honest.input_paths[0]!],
      },
    },
  ];
}

/** Signers sign what is honest; the builder then changes the bytes under the signatures. */
export const bytesSwapped: Attack = {
  name: 'Bitcoin bytes changed under the signatures of the honest ones',
  run: async (stage) => {
    const { view, intent, honest, thief, intents } = await sceneOf(stage);
    const mark = stage.mark();
    const answers = await askAll(stage, async (client) => client.call('/v1/sign/bitcoin/commit', honest));
    const signatures = await signaturesOf(view, honest, answers);
    if (!signatures) throw new Error('the honest bytes were not signed');
    const own = scriptOf(intent.intent.destination);
    const short = await stage.thief('BTC');
    const swapped = [
      honest.raw_tx.replace(own, scriptOf(short)),
      honest.raw_tx.replace(view.derive([1, view.changeIndex]).script, thief.script),
      builtRequest(view, intents, { feeRateSatVb: 200 }).raw_tx,
      `${honest.raw_tx.slice(0, -8)}01000000`,
    ];
    const refusals: string[] = [];
    for (const rawTx of swapped) {
      if (rawTx === honest.raw_tx) throw new Error('the bytes were not changed');
      refusals.push((await offerToNode(stage, rawTx, signatures)) ?? 'accepted');
    }
    const wrong = refusals.find((text) => !/mempool-script-verify|Invalid Schnorr signature/.test(text));
    if (wrong !== undefined) throw new Error(`the node says ${wrong} of swapped bytes`);
    const left = await lootIn(stage, { BTC: [thief.address, short] });
    await mustBePaid(stage, [{ asset: 'BTC', authorized: intent }]);
    return { left, haltedAfterMs: null, evidence: evidenceOf(stage, mark, ['node invalid-schnorr-signature']) };
  },
};

/** A confirmed coin of somebody else, under a path of ours. */
async function strangersCoin(stage: DrillStage, view: BuilderView): Promise<BuilderCoin> {
  const { rpc } = stage.system.chains.bitcoin!.miner;
  const found = await rpc<{ txid: string; vout: number; amount: number }[]>('listunspent', [1], 'miner');
  const coin = found.find(({ amount }) => amount >= 1);
  if (!coin) throw new Error('the miner has no coin');
  const { txid, vout } = coin;
  return { ...view.coins[0]!, txid, vout, amountSats: BigInt(Math.round(coin.amount * 1e8)) };
}

/** A deposit of the victim that is in the mempool only. */
async function unconfirmedCoin(stage: DrillStage, view: BuilderView): Promise<BuilderCoin> {
  const { miner } = stage.system.chains.bitcoin!;
  const address = stage.victim.addresses.get(bitcoinNetworkId)!;
  const txid = await miner.pay(address, 100_000_000n);
  const { vout } = await miner.rpc<{ vout: { n: number; scriptPubKey: { hex: string } }[] }>('getrawtransaction', [
    txid,
    true,
  ]);
  const script = scriptOf(address);
  const own = view.coins.find((coin) => coin.script === script);
  const output = vout.find(({ scriptPubKey }) => scriptPubKey.hex === script);
  const path = own?.path ?? (await pathOf(stage, script));
  return { txid, vout: output!.n, amountSats: 100_000_000n, script, path };
}

async function pathOf(stage: DrillStage, script: string): Promise<readonly [number, number]> {
  const [row] = await stage.books.db.query<{ derivation_index: bigint }>(
    'select derivation_index from coin where script = $1 limit 1',
    [script],
  );
  if (!row) throw new Error('the address never had a coin');
  return [0, Number(row.derivation_index)];
}
