import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { decideAcceptance, type ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { decideCustomerRecord } from '@holdfast/core/signing/decide-customer-record.ts';
import { emptyHead, encodeRecord } from '@holdfast/core/signing/journal-record.ts';
import { applyRecord, emptyState } from '@holdfast/core/signing/journal-state.ts';
import { SignBitcoinRequest, SignEvmRequest, type SigningRequest } from '@holdfast/core/signing/messages.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import { parseValue } from '@holdfast/signer/parse.ts';
import { reviewBitcoinOffline } from '@holdfast/signer/review/review-bitcoin-offline.ts';
import { reviewBitcoin } from '@holdfast/signer/review/review-bitcoin.ts';
import { bitcoinPolicyOf, evmPolicyOf } from '@holdfast/signer/review/review-context.ts';
import { reviewEvm } from '@holdfast/signer/review/review-evm.ts';
import { transcriptLine } from '@holdfast/signer/transcripts/transcript-store.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { stagePolicy, startStage } from '../../test/support/signer-stage.ts';
import { makeBatch, type Batch, type Family } from './review-batches.ts';
import { openLoneWallets, type LoneWallets } from './review-parts.ts';
import { asksFor, batchRequest, measureRounds, type Round, type SentRequest } from './review-rounds.ts';
import { tableOf, type BenchResult } from './result.ts';

const payouts = 100;
const repeats = 12;
const perSecondMin = 500;
const families: readonly Family[] = ['EVM', 'Bitcoin'];
const approvalsMax = 2;

/** Milliseconds for one batch. */
interface ReviewTimes {
  /** That a core worked for it, whatever else ran on the machine; the parts below are by the clock on the wall. */
  readonly core: number;
  /** JSON and schema. */
  readonly parse: number;
  /** ECDSA P-256 by OpenSSL: passkeys and approvals. */
  readonly signatures: number;
  /** Everything else from the evidence to the matched payments. */
  readonly match: number;
  /** Limits, positions, at most once. */
  readonly decide: number;
  /** The request's and the journal entry's canonical text, their hashes, and the new state. */
  readonly encode: number;
}

const total = ({ parse, signatures, match, decide, encode }: ReviewTimes): number =>
  parse + signatures + match + decide + encode;

/**
 * What a signer spends on the review of a batch of 100 payouts: by its own code on one core, without a node, and as a share
 * of a round of three signer processes. Every customer's passkey is new to the signer. The bound that no review can pass is
 * how many P-256 signatures OpenSSL verifies.
 */
export async function run(): Promise<BenchResult[]> {
  const verified = verificationsPerSecond();
  const results: BenchResult[] = [
    { name: 'ECDSA P-256 verifications', value: verified, unit: '/s', note: 'OpenSSL, one core: the limit' },
  ];
  const lone = await openLoneWallets((owners) => stagePolicy(owners, { policy: asksFor(approvalsMax) }));
  try {
    const times = new Map<Family, ReviewTimes>();
    for (const family of families) {
      for (const approvals of [0, approvalsMax]) {
        const best = reviewTimes(lone, family, approvals);
        times.set(family, best);
        results.push(...reviewRows(family, approvals, best, verified));
      }
    }
    const processes = await startStage({ policy: asksFor(approvalsMax) });
    try {
      for (const [family, best] of times) {
        results.push(...roundRows(family, best, await measureRounds(processes, lone, family, payouts, approvalsMax)));
      }
    } finally {
      await processes.stop();
    }
    return results;
  } finally {
    await lone.stop();
  }
}

function reviewRows(family: Family, approvals: number, times: ReviewTimes, verified: number): BenchResult[] {
  const perSecond = (payouts / times.core) * 1_000;
  const what = `${family}, passkey${approvals > 0 ? ` and ${approvals} approvals` : ''}`;
  const [all, parse, signatures, match, decide, encode] = [
    total(times),
    times.parse,
    times.signatures,
    times.match,
    times.decide,
    times.encode,
  ].map((ms) => ms.toFixed(1));
  return [
    {
      name: `${what}: payouts reviewed`,
      value: perSecond,
      unit: '/s',
      target: { min: perSecondMin },
      note: `one core; ${all} ms a batch of ${payouts}: parse ${parse}, signatures ${signatures}, decode and match ${match}, decide ${decide}, encode ${encode}`,
    },
    {
      name: `${what}: beside OpenSSL's verifications alone`,
      value: perSecond / (verified / (1 + approvals)),
      unit: 'x',
      note: `${1 + approvals} a payout`,
    },
  ];
}

function roundRows(family: Family, times: ReviewTimes, round: Round): BenchResult[] {
  const name = `${family} batch of ${payouts} with approvals, three processes`;
  const share = (ms: number): number => (100 * ms) / round.total;
  const review = total(times);
  const rest = round.total - review - round.nodes - round.disk - round.signing;
  return [
    { name, value: round.total, unit: 'ms', note: 'two signers side by side, each reserving at both peers' },
    { name: '  of it review', value: share(review), unit: '%', note: `${review.toFixed(1)} ms of one signer` },
    { name: '  of it nodes', value: share(round.nodes), unit: '%', note: 'a stub chain, proofs verified' },
    { name: '  of it journal and transcripts', value: share(round.disk), unit: '%', note: 'written and flushed' },
    { name: '  of it signing', value: share(round.signing), unit: '%' },
    {
      name: '  of it reservations and transport',
      value: share(rest),
      unit: '%',
      note: 'the rest: both peers review the same batch, all on these cores',
    },
  ];
}

/** The core's time of all repeats, for it is counted in ticks; the parts of the quickest. */
function reviewTimes(lone: LoneWallets, family: Family, approvals: number): ReviewTimes {
  const policy = structuredClone(lone.policy);
  asksFor(approvals)(policy);
  const all = Array.from({ length: repeats }, () => {
    const batch = makeBatch(policy, family, payouts, approvals);
    return reviewOnce(policy, batch, batchRequest(lone, family, batch.intents));
  });
  const warm = all.slice(2);
  const core = warm.reduce((sum, one) => sum + one.core, 0) / warm.length;
  return { ...all.reduce((best, one) => (total(one) < total(best) ? one : best)), core };
}

/** One batch, as the signer of the request does it and in its order. */
function reviewOnce(policy: Policy, { enrolments }: Batch, sent: SentRequest): ReviewTimes {
  const state = emptyState();
  let head = emptyHead;
  const nowMs = Date.now();
  const append = (entry: Parameters<typeof encodeRecord>[1]): void => {
    const encoded = encodeRecord(head, entry, nowMs);
    head = encoded.head;
    applyRecord(state, encoded.record);
  };
  for (const one of enrolments) {
    const entry = decideCustomerRecord(state, one, { policy, verifiers: opensslVerifiers, nowMs });
    if (entry) append(entry);
  }
  const text = JSON.stringify(sent.request.body);
  const { verifiers, spentMs } = timedVerifiers();
  const startMs = coreMs();
  const marks = [performance.now()];
  const request = parseRequest(sent.request.family, text);
  marks.push(performance.now());
  const reviewed = reviewRequest(request, { policy, state, verifiers, nowMs }, sent);
  marks.push(performance.now());
  const line = transcriptLine(request);
  marks.push(performance.now());
  const network = policy.networks.find((one) => one.network === request.body.network);
  invariant(network, 'the policy has the network');
  const entry = decideAcceptance(state, reviewed, { policy, network, by: 'signer-1', request: line.hash, nowMs });
  marks.push(performance.now());
  invariant(entry, 'the batch is new');
  append(entry);
  marks.push(performance.now());
  const core = coreMs() - startMs;
  const [parse = 0, review = 0, transcript = 0, decide = 0, journal = 0] = marks
    .slice(1)
    .map((mark, at) => mark - (marks[at] ?? 0));
  return { core, parse, signatures: spentMs(), match: review - spentMs(), decide, encode: transcript + journal };
}

function parseRequest(family: SigningRequest['family'], text: string): SigningRequest {
  const body: unknown = JSON.parse(text);
  return family === 'evm'
    ? { family, body: parseValue(SignEvmRequest, body, 'invalid-request', 'request') }
    : { family, body: parseValue(SignBitcoinRequest, body, 'invalid-request', 'request') };
}

function reviewRequest(
  request: SigningRequest,
  context: { policy: Policy; state: ReturnType<typeof emptyState>; verifiers: Verifiers; nowMs: number },
  { derive, coin }: SentRequest,
): ReviewedTransaction {
  if (request.family === 'evm') {
    const network = evmPolicyOf(context.policy, request.body.network);
    return { ...reviewEvm(request.body, { ...context, network }).reviewed, height: 200 };
  }
  const network = bitcoinPolicyOf(context.policy, request.body.network);
  const offline = reviewBitcoinOffline(request.body, { ...context, network, derive });
  const facts = { height: 200, blockTimeMs: context.nowMs, feeRateSatVb: null, coins: [coin] };
  const { reviewed, inputs } = reviewBitcoin(request.body, offline, { network, facts, derive });
  // What is signed is a part of the review too.
  taprootSighashes(
    request.body.raw_tx,
    inputs.map((input) => input.coin),
  );
  return reviewed;
}

function timedVerifiers(): { verifiers: Verifiers; spentMs: () => number } {
  let ms = 0;
  const p256: Verifiers['p256'] = (...given) => {
    const start = performance.now();
    try {
      return opensslVerifiers.p256(...given);
    } finally {
      ms += performance.now() - start;
    }
  };
  return { verifiers: { ...opensslVerifiers, p256 }, spentMs: () => ms };
}

/** What this thread has worked so far. */
function coreMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** By OpenSSL with a decoded key. */
function verificationsPerSecond(): number {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = randomBytes(69);
  const signature = sign('sha256', message, privateKey);
  const count = 5_000;
  const startMs = coreMs();
  for (let at = 0; at < count; at += 1) verify('sha256', message, publicKey, signature);
  return (count * 1_000) / (coreMs() - startMs);
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
