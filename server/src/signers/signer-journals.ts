import { Failure } from '@holdfast/core/failure.ts';
import { decodeRecord, emptyHead, type JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { JournalPlace } from '../store/database-watch.ts';
import type { SignerClient } from './panel.ts';

/** The signers' journals as the server reads them: lines count only when they are chained and their signer vouches for the end. */
export interface SignerJournals {
  readonly signers: readonly string[];
  /**
   * Hands over what follows a place, page by page. A place that is not in the journal (the signer came out of a backup since)
   * is passed over: all is read then.
   * @param from null for all.
   * @returns where it ends; null when the signer is of a version that hands nothing out.
   * @throws Failure signers-unavailable, journal-broken.
   */
  read(
    signer: string,
    from: JournalPlace | null,
    take: (records: readonly JournalRecord[]) => Promise<void>,
  ): Promise<JournalPlace | null>;
  /** The request that a line names by its hash. @throws Failure signers-unavailable, not-found. */
  request(signer: string, hash: string): Promise<SigningRequest>;
}

/** @param statementKeys Ed25519 keys of the signers' statements, hex, by signer. */
export function signerJournals(
  clients: readonly SignerClient[],
  statementKeys: ReadonlyMap<string, string>,
): SignerJournals {
  const clientOf = (signer: string): SignerClient => clients.find(({ id }) => id === signer)!;

  const page = async (signer: string, from: JournalPlace) => {
    const { lines, signed } = await clientOf(signer).call('/v1/journal', { after: from.seq });
    const records: JournalRecord[] = [];
    let head = { ...emptyHead, ...from };
    for (const line of lines) {
      const decoded = decodeRecord(head, line);
      ({ head } = decoded);
      records.push(decoded.record);
    }
    const { seq, hash } = head;
    const isEnd = signed?.head.seq === seq && signed.head.hash === hash;
    const said = statementDigest('head', { version: 1, signer, head: { seq, hash } });
    const key = hexToBytes(statementKeys.get(signer) ?? '');
    if (lines.length > 0 && !(isEnd && opensslVerifiers.ed25519(key, said, signed.signature)))
      throw new Failure('journal-broken', `${signer} does not vouch for its record ${seq}`);
    return { records, end: { seq, hash } };
  };

  const read: SignerJournals['read'] = async (signer, from, take) => {
    let place = from ?? { seq: emptyHead.seq, hash: emptyHead.hash };
    for (;;) {
      const { records, end } = await page(signer, place);
      if (records.length === 0) return place;
      await take(records);
      place = end;
    }
  };

  return {
    signers: clients.map(({ id }) => id),
    async read(signer, from, take) {
      try {
        return await read(signer, from, take);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.code === 'not-found') return null;
        if (from === null || error.code !== 'journal-broken') throw error;
        return read(signer, null, take);
      }
    },
    async request(signer, hash) {
      const { request } = await clientOf(signer).call('/v1/request', { hash });
      if (request && bytesToHex(sha256(utf8ToBytes(canonicalJson(request)))) === hash) return request;
      throw new Failure('not-found', `${signer} has no request ${hash}`);
    },
  };
}
