import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { decideAcceptance } from '@holdfast/core/signing/decide-acceptance.ts';
import { obstacles, type SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import { intentDigestHex } from '@holdfast/core/signing/intent.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Journal } from '../journal/journal.ts';
import { log } from '../log.ts';
import type { PinnedKeys } from '../review/intent-rules.ts';

/** What every wallet of this signer works with. */
export interface WalletDeps {
  readonly journal: Journal;
  readonly keys: PinnedKeys;
  readonly clock: () => number;
}

/**
 * Decides on a reviewed transaction and journals it. Review, decision and the change of the state run without an await in
 * between, so two requests for one intent cannot both pass, however they race.
 * @param review reads nothing but what it is given; throws the refusal.
 * @returns what `review` returned, once the acceptance is on the disk.
 */
export async function acceptReviewed<T extends { readonly reviewed: ReviewedTransaction }>(
  deps: WalletDeps,
  perDayMax: ReadonlyMap<string, bigint>,
  review: () => T,
): Promise<T> {
  deps.journal.assertUsable();
  const result = review();
  const entry = decideAcceptance(deps.journal.state, result.reviewed, perDayMax, deps.clock());
  // The same bytes again: their entry may still be on its way to the disk.
  await (entry ? deps.journal.append(entry) : deps.journal.flushed());
  return result;
}

/**
 * Journals which earlier transactions of these intents can never confirm, so that they no longer forbid a new one. What
 * the nodes cannot prove stays an obstacle.
 * @param findDead asks this signer's own nodes; only what they all call final is proof.
 */
export async function buryDead(
  deps: WalletDeps,
  intents: readonly AuthorizedIntent[],
  conflictKeys: readonly string[],
  findDead: (earlier: readonly SignedTransaction[]) => Promise<readonly SignedTransaction[]>,
): Promise<void> {
  const digests = intents.map(({ intent }) => intentDigestHex(intent));
  const inTheWay = obstacles(deps.journal.state, digests, conflictKeys);
  if (inTheWay.length === 0) return;
  const dead = await findDead(inTheWay).catch((error: unknown) => {
    if (error instanceof Failure) return [];
    throw error;
  });
  for (const { network, txid } of dead) {
    // Another request may have buried it while the nodes were asked.
    if (!deps.journal.state.buried.has(`${network} ${txid}`)) {
      await deps.journal.append({ kind: 'buried', body: { network, txid } });
    }
  }
}

const refusalsPerHourMax = 500;
const digestsMax = 5;
const hourMs = 3_600_000;

/** Runs a request and journals its refusal; at most 500 an hour, so that a hostile caller cannot fill the disk. */
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
        log('refused', { network, code: error.code, message: error.message });
        // Without a usable journal there is nothing to write to, and the refusal stands all the same.
        if (count <= refusalsPerHourMax) await recordRefusal(deps, network, error, intents).catch(() => undefined);
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
