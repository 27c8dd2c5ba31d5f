import { invariant } from '@holdfast/core/invariant.ts';
import type { WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { ApprovalTier, Policy } from '@holdfast/core/policy/policy.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { NonceCommitment, SigningRequest } from '@holdfast/core/signing/messages.ts';
import type { ChainCoin } from '@holdfast/signer/nodes/bitcoin-node.ts';
import { bitcoinRequest, evmRequest, type SignerStage } from '../../test/support/signer-stage.ts';
import type { SignerProcess } from '../../test/support/signers.ts';
import { makeBatch, type Batch, type Family } from './review-batches.ts';
import type { LoneWallets, Parts } from './review-parts.ts';
import { median } from './result.ts';

/** A request and what its review needs of the wallet. */
export interface SentRequest {
  readonly request: SigningRequest;
  readonly derive: (path: KeyPath) => WalletAddress;
  /** Null on EVM networks. */
  readonly coin: ChainCoin | null;
}

/** Median milliseconds. */
export interface Round extends Parts {
  /** From the server's first message to its last answer. */
  readonly total: number;
}

const rounds = 8;
const coinSats = 1_000_000n;

/** Every payment takes so many approvals. */
export function asksFor(approvals: number): (policy: Policy) => void {
  const tiers: ApprovalTier[] = approvals > 0 ? [{ above: '0', approvals, offline: 0 }] : [];
  return (policy) => {
    policy.credentials.changes_per_day_max = 1_000_000;
    // The customers' passkeys pay at once.
    policy.delays = { tighten_s: 0, loosen_s: 0 };
    for (const network of policy.networks) {
      if (network.family === 'bitcoin') network.approval_tiers = tiers;
      else for (const asset of network.assets) asset.approval_tiers = tiers;
    }
  };
}

let nextIndex = 0;

/** The transaction that an honest server builds; a Bitcoin one spends one coin and leaves change. */
export function batchRequest(
  on: Pick<SignerStage, 'node' | 'derive'>,
  family: Family,
  intents: AuthorizedIntent[],
): SentRequest {
  if (family === 'EVM') {
    return { request: { family: 'evm', body: evmRequest(intents, on.node.safeNonce) }, derive: on.derive, coin: null };
  }
  const path = [0, (nextIndex += 1)] as const;
  const { script } = on.derive(path);
  const coin = { ...on.node.addCoin({ amountSats: coinSats, script }), amountSats: coinSats, path };
  const body = bitcoinRequest(on as SignerStage, [coin], intents, { changeIndex: nextIndex });
  const known = { amountSats: coinSats, script, confirmations: 6, coinbase: false };
  return { request: { family: 'bitcoin', body }, derive: on.derive, coin: known };
}

/** Rounds of three processes, and where the time of one signer goes. */
export async function measureRounds(
  processes: SignerStage,
  lone: LoneWallets,
  family: Family,
  payouts: number,
  approvals: number,
): Promise<Round> {
  const totals: number[] = [];
  const parts: Parts[] = [];
  for (let at = 0; at < rounds; at += 1) {
    const batch = makeBatch(lone.policy, family, payouts, approvals);
    await enrol(processes, batch);
    const quorum = [0, 1].map((next) => processes.cluster.signers[(at + next) % 3] as SignerProcess);
    const { request } = batchRequest(processes, family, batch.intents);
    const start = performance.now();
    await signRound(quorum, request);
    totals.push(performance.now() - start);
    await lone.enrol(batch);
    parts.push(await lone.sign(batchRequest(lone, family, batch.intents).request));
  }
  const middle = (pick: (one: Parts) => number): number => median(parts.map(pick));
  return {
    total: median(totals),
    nodes: middle(({ nodes }) => nodes),
    disk: middle(({ disk }) => disk),
    signing: middle(({ signing }) => signing),
  };
}

async function enrol({ cluster }: SignerStage, { enrolments }: Batch): Promise<void> {
  for (const { client } of cluster.signers) {
    const { results } = await client.call('/v1/records', { records: enrolments });
    invariant(
      results.every(({ state }) => state === 'accepted'),
      'every customer is enrolled',
    );
  }
}

async function signRound(quorum: readonly SignerProcess[], request: SigningRequest): Promise<void> {
  if (request.family === 'evm') {
    await Promise.all(quorum.map(async ({ client }) => client.call('/v1/sign/evm', request.body)));
    return;
  }
  const sessions = await Promise.all(
    quorum.map(async ({ client }) => client.call('/v1/sign/bitcoin/commit', request.body)),
  );
  const lists = request.body.input_paths.map((_, at) =>
    sessions.map((session) => session.commitments[at] as NonceCommitment),
  );
  await Promise.all(
    quorum.map(async ({ client }, at) =>
      client.call('/v1/sign/bitcoin/share', { session: sessions[at]?.session ?? '', commitments: lists }),
    ),
  );
}
