import { Failure } from '@holdfast/core/failure.ts';
import type { EntryOf, JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { familyOf } from '@holdfast/core/money/network.ts';
import type { Context } from '../context.ts';
import type { SignerJournals } from '../signers/signer-journals.ts';
import {
  type JournalPlace,
  journalPlaces,
  unknownAddresses,
  unknownRecords,
  unknownTransactions,
} from '../store/database-watch.ts';

export type LostAddress = EntryOf<'address'>['body'] & { readonly atMs: number };
export interface LostTransaction {
  readonly network: string;
  /** What a block calls it. */
  readonly ref: string;
  readonly txid: string;
  readonly request: SigningRequest;
  readonly atMs: number;
}
export interface LostRecord extends Pick<EntryOf<'customer-record'>['body'], 'digest' | 'signed'> {
  readonly atMs: number;
  /** When it counts, by each signer that has it; 0 for what counts at once. */
  readonly effectiveAtMs: Map<string, number>;
}

/** What signers were told and the database does not hold, in the order in which they first heard of it. */
export interface Lost {
  readonly addresses: readonly LostAddress[];
  readonly transactions: readonly LostTransaction[];
  readonly records: readonly LostRecord[];
}

export interface Finding extends Lost {
  /** Where each journal that was read ends. */
  readonly places: ReadonlyMap<string, JournalPlace>;
  /** Signers that could not be asked, with the reason. */
  readonly away: readonly string[];
}

export const isNothing = ({ addresses, transactions, records }: Lost): boolean =>
  addresses.length + transactions.length + records.length === 0;

/** When the first signer heard of what was lost first. */
export const lostFromMs = ({ addresses, transactions, records }: Lost): number =>
  Math.min(...[...addresses, ...transactions, ...records].map(({ atMs }) => atMs));

export const describeLost = ({ addresses, transactions, records }: Lost): string =>
  `${addresses.length} deposit addresses, ${transactions.length} transactions and ${records.length} records about customers`;

/**
 * Compares the database with what signers' journals hold since the last time. Whatever a signer hears of was committed before,
 * so what is missing here was lost. So many signers are asked that every quorum has one of them.
 * @throws Failure signers-unavailable when too few answer.
 */
export async function findLost(ctx: Context, journals: SignerJournals): Promise<Finding> {
  const known = await journalPlaces(ctx.db);
  const found = { addresses: new Map(), transactions: new Map(), records: new Map() } satisfies Found;
  const places = new Map<string, JournalPlace>();
  const away: string[] = [];
  for (const signer of journals.signers) {
    try {
      const end = await journals.read(signer, known.get(signer) ?? null, async (records) =>
        collect(ctx, { journals, signer, records }, found),
      );
      if (end) places.set(signer, end);
      // It may know what the others do not: who hands nothing out has told nothing.
      else away.push(`${signer}: hands no journal out, it is of an earlier version`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      away.push(`${signer}: ${error.message}`);
    }
  }
  const { signers, quorum } = ctx.config;
  if (away.length > quorum - 1) {
    const needed = signers.length - quorum + 1;
    throw new Failure(
      'signers-unavailable',
      `${needed} of ${signers.length} journals must be read to know what the database holds: ${away.join('; ')}`,
    );
  }
  return {
    addresses: inOrder(found.addresses),
    transactions: inOrder(found.transactions),
    records: inOrder(found.records),
    places,
    away,
  };
}

interface Found {
  readonly addresses: Map<string, LostAddress>;
  readonly transactions: Map<string, LostTransaction>;
  readonly records: Map<string, LostRecord>;
}

const inOrder = <T extends { readonly atMs: number }>(found: ReadonlyMap<string, T>): T[] =>
  [...found.values()].toSorted((a, b) => a.atMs - b.atMs);

/** The first mention counts. */
const keep = <T extends { readonly atMs: number }>(all: Map<string, T>, name: string, one: T): void => {
  const before = all.get(name);
  if (!before || before.atMs > one.atMs) all.set(name, one);
};

async function collect(
  ctx: Context,
  page: {
    readonly journals: SignerJournals;
    readonly signer: string;
    readonly records: readonly JournalRecord[];
  },
  found: Found,
): Promise<void> {
  const { journals, signer, records } = page;
  const ours = new Set(ctx.config.networks.map(({ id }) => id));
  const addresses = records.flatMap((one) =>
    one.kind === 'address' && ours.has(one.body.network) ? [{ ...one.body, atMs: one.at_ms }] : [],
  );
  for (const one of await unknownAddresses(ctx.db, addresses))
    keep(found.addresses, `${one.network} ${one.index}`, one);
  const accepted = records.flatMap((one) => {
    if (one.kind !== 'accepted' || !ours.has(one.body.network)) return [];
    const { network, txid, request } = one.body;
    const ref = `${familyOf(network) === 'evm' ? 'safe' : 'tx'}:${txid}`;
    return [{ network, txid, ref, hash: request, atMs: one.at_ms }];
  });
  for (const { hash, ...one } of await unknownTransactions(ctx.db, accepted)) {
    const request = await journals.request(signer, hash);
    // People ask the signers for an evacuation, not the server.
    if (request.body.evacuation !== true) keep(found.transactions, `${one.network} ${one.ref}`, { ...one, request });
  }
  const told = records.flatMap((one) => (one.kind === 'customer-record' ? [{ ...one.body, atMs: one.at_ms }] : []));
  for (const { digest, signed, atMs, effective_at_ms: effectiveAtMs } of await unknownRecords(ctx.db, told)) {
    const others = found.records.get(digest)?.effectiveAtMs ?? new Map<string, number>();
    const one = { digest, signed, atMs, effectiveAtMs: others.set(signer, effectiveAtMs) };
    keep(found.records, digest, one);
  }
}
