import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import { decideAcceptance, type ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { obstacles, type SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import { intentDigestHex } from '@holdfast/core/signing/intent.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Journal } from '../journal/journal.ts';
import { log } from '../log.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import type { PinnedKeys } from '../review/intent-rules.ts';

/** What every wallet of this signer works with. */
export interface WalletDeps {
  readonly journal: Journal;
  readonly keys: PinnedKeys;
  /** The time of day, UTC milliseconds. */
  readonly clock: () => number;
  /** An intent may expire at most this long ahead. */
  readonly expiryAheadMsMax: number;
}

/**
 * Decides on a reviewed transaction and journals it; on return the acceptance is on the disk. Decision and change of the
 * state run without an await in between, so two requests for one intent cannot both pass, however they race.
 * @throws Failure with the reason of the refusal.
 */
export async function acceptReviewed(
  deps: WalletDeps,
  reviewed: ReviewedTransaction,
  perDayMax: ReadonlyMap<string, bigint>,
): Promise<void> {
  const { journal, expiryAheadMsMax } = deps;
  journal.assertUsable();
  const nowMs = journal.nowMs();
  const entry = decideAcceptance(journal.state, reviewed, { perDayMax, expiryAheadMsMax }, nowMs);
  // The same bytes again: their entry may still be on its way to the disk.
  await (entry ? journal.append(entry, nowMs) : journal.flushed());
}

/** Distinct endpoints that must agree before a signed transaction counts as dead: one that lies must not suffice. */
const burialEndpointsDefault = 3;

/**
 * Journals which earlier transactions of the reviewed intents can never confirm, so that they no longer forbid a new one.
 * What the nodes cannot prove, or too few of them, stays an obstacle.
 * @param reviewed its evidence holds and names this network: other networks' transactions are not for these nodes to judge.
 * @param findDead asks all endpoints; only what they all call final is proof.
 */
export async function buryDead(
  deps: WalletDeps,
  reviewed: ReviewedTransaction,
  network: { readonly burial_endpoints_min?: number },
  endpoints: readonly SendRpc[],
  findDead: (earlier: readonly SignedTransaction[]) => Promise<readonly SignedTransaction[]>,
): Promise<void> {
  if (endpoints.length < (network.burial_endpoints_min ?? burialEndpointsDefault)) return;
  const digests = reviewed.intents.map((intent) => intent.digest);
  const inTheWay = obstacles(deps.journal.state, digests, reviewed).filter((one) => one.network === reviewed.network);
  if (inTheWay.length === 0) return;
  const dead = await findDead(inTheWay).catch((error: unknown) => {
    if (error instanceof Failure) return [];
    throw error;
  });
  for (const { txid } of dead) {
    // Another request may have buried it while the nodes were asked.
    if (!deps.journal.state.buried.has(`${reviewed.network} ${txid}`)) {
      await deps.journal.append({ kind: 'buried', body: { network: reviewed.network, txid } });
    }
  }
}

const refusalsPerHourMax = 500;
const digestsMax = 5;
const hourMs = 3_600_000;

/** Runs a request, logs and journals its refusal; at most 500 an hour, so that a hostile caller cannot fill the disk. */
export function refusalRecorder(deps: WalletDeps) {
  let hour = 0;
  let count = 0;
  return async <T>(network: string, intents: readonly AuthorizedIntent[], run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      if (error instanceof Failure) {
        const thisHour = Math.floor(deps.clock() / hourMs);
        count = thisHour === hour ? count + 1 : 1;
        hour = thisHour;
        if (count <= refusalsPerHourMax) {
          log('refused', { network, code: error.code, message: error.message });
          // Without a usable journal there is nothing to write to, and the refusal stands all the same.
          await recordRefusal(deps, network, error, intents).catch(() => undefined);
        }
      }
      throw error;
    }
  };
}

async function recordRefusal(
  deps: WalletDeps,
  network: string,
  failure: Failure,
  intents: readonly AuthorizedIntent[],
): Promise<void> {
  const digests = intents.slice(0, digestsMax).map(({ intent }) => intentDigestHex(intent));
  await deps.journal.append({ kind: 'refused', body: { network, code: failure.code, digests } });
}
