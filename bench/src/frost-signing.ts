import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { taprootSighashes, type Prevout } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { NonceCommitment, SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import { aggregateInputs } from '@holdfast/server/signers/aggregate.ts';
import { bitcoinRequest, bitcoinWithdrawal, startStage, type SignerStage } from '../../test/support/signer-stage.ts';
import type { SignerProcess } from '../../test/support/signers.ts';
import { median, tableOf, type BenchResult } from './result.ts';

const warmUps = 20;
const alone = 100;
const together = 150;
const concurrency = 4;
const batchInputs = 20;
const batches = 8;
const perSecondMin = 30;
const medianMsMax = 60;

/** Milliseconds of one transaction's signatures: both rounds with two signers, and the aggregation. */
interface Times {
  readonly commit: number;
  readonly share: number;
  readonly aggregate: number;
}

/**
 * FROST 2-of-3 over three signer processes on this machine, by the messages that the server sends: every transaction is
 * reviewed, journalled with fsync and answered by two signers, every input has a key of its own, and this process
 * aggregates and verifies. The chain node is a stub, so its time is hardly in it.
 */
export async function run(): Promise<BenchResult[]> {
  const stage = await startStage();
  try {
    const next = requests(stage);
    for (const [at, request] of next(warmUps, 1).entries()) await sign(stage, request, at);
    const times: Times[] = [];
    for (const [at, request] of next(alone, 1).entries()) times.push(await sign(stage, request, at));
    const ping = await medianOf(alone, async (at) =>
      (stage.cluster.signers[at % 3] as SignerProcess).client.call('/v1/status', {}),
    );
    const perSecond = await throughput(next(together, 1), async (request, at) => sign(stage, request, at));
    const inBatches =
      batchInputs * (await throughput(next(batches, batchInputs), async (request, at) => sign(stage, request, at)));
    return report(times, ping, perSecond, inBatches);
  } finally {
    await stage.stop();
  }
}

function report(times: readonly Times[], ping: number, perSecond: number, inBatches: number): BenchResult[] {
  const middle = (pick: (time: Times) => number): number => median(times.map(pick));
  return [
    {
      name: 'FROST 2-of-3 signatures, one a transaction',
      value: perSecond,
      unit: '/s',
      target: { min: perSecondMin },
      note: `${concurrency} transactions at a time`,
    },
    {
      name: `FROST 2-of-3 signatures, ${batchInputs} a transaction`,
      value: inBatches,
      unit: '/s',
      note: 'inputs share one session',
    },
    {
      name: 'FROST signature, median',
      value: middle(({ commit, share, aggregate }) => commit + share + aggregate),
      unit: 'ms',
      target: { max: medianMsMax },
      note: 'one after another',
    },
    {
      name: '  of it commit',
      value: middle(({ commit }) => commit),
      unit: 'ms',
      note: 'two messages side by side: review with node, journal fsync, nonces',
    },
    {
      name: '  of it share',
      value: middle(({ share }) => share),
      unit: 'ms',
      note: 'two messages side by side: signature shares',
    },
    {
      name: '  of it aggregate',
      value: middle(({ aggregate }) => aggregate),
      unit: 'ms',
      note: 'aggregate and verify in the server',
    },
    {
      name: '  of each message transport',
      value: ping,
      unit: 'ms',
      note: 'an empty message over mutual TLS; two of them are above',
    },
  ];
}

/** Prepares transactions of `inputs` inputs, each input and change at a derivation index of its own. */
function requests(stage: SignerStage): (count: number, inputs: number) => SignBitcoinRequest[] {
  let index = 0;
  return (count, inputs) =>
    Array.from({ length: count }, () => {
      const coins = Array.from({ length: inputs }, () => stage.addCoin([0, (index += 1)], 100_000n));
      return bitcoinRequest(stage, coins, [bitcoinWithdrawal({ amount: '60000' })], { changeIndex: index });
    });
}

async function sign(stage: SignerStage, request: SignBitcoinRequest, turn: number): Promise<Times> {
  const tx = inspectBitcoinTransaction(request.raw_tx);
  const prevouts = tx.inputs.map(({ txid, vout }) => stage.node.coins.get(`${txid}:${vout}`) as Prevout);
  const sighashes = taprootSighashes(request.raw_tx, prevouts);
  const inputs = request.input_paths.map((path, at) => ({
    tweak: stage.derive(path).tweak,
    sighash: sighashes[at] as Uint8Array,
  }));
  const quorum = [0, 1].map((at) => stage.cluster.signers[(turn + at) % 3] as SignerProcess);

  const start = performance.now();
  const sessions = await Promise.all(quorum.map(async ({ client }) => client.call('/v1/sign/bitcoin/commit', request)));
  const committed = performance.now();
  const lists = inputs.map((_, at) => sessions.map((session) => session.commitments[at] as NonceCommitment));
  const answers = await Promise.all(
    quorum.map(async ({ client }, at) =>
      client.call('/v1/sign/bitcoin/share', { session: sessions[at]?.session ?? '', commitments: lists }),
    ),
  );
  const shared = performance.now();
  const shares = answers.map(({ shares: list }, at) => ({
    identifier: sessions[at]?.commitments[0]?.identifier ?? '',
    shares: list,
  }));
  const signatures = aggregateInputs(stage.wallet, inputs, lists, shares, 2, 3);
  invariant(signatures.length === inputs.length, 'one signature an input');
  return { commit: committed - start, share: shared - committed, aggregate: performance.now() - shared };
}

/** Tasks a second with `concurrency` under way. */
async function throughput<T>(items: readonly T[], task: (item: T, at: number) => Promise<unknown>): Promise<number> {
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [at, item] of queue) await task(item, at);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  return items.length / ((performance.now() - start) / 1000);
}

async function medianOf(count: number, task: (at: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const start = performance.now();
    await task(at);
    times.push(performance.now() - start);
  }
  return median(times);
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
