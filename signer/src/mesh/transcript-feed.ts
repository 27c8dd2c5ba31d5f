import type { MeshRequest, MeshResponse } from '@holdfast/core/signing/messages.ts';
import type { Journal } from '../journal/journal.ts';
import type { TranscriptStore } from '../transcripts/transcript-store.ts';

const transcriptsMax = 20;
/** The caller reads 1 MiB at most; the first transcript of an answer may be as long as a request can be. */
const bytesMax = 600_000;

/** Hands out what this signer has accepted, in the order of its journal; only what is on its disk. */
export function transcriptFeed(
  journal: Journal,
  transcripts: Pick<TranscriptStore, 'read'>,
): (body: MeshRequest<'/v1/mesh/transcripts'>) => Promise<MeshResponse<'/v1/mesh/transcripts'>> {
  return async ({ after }) => {
    const { accepted, signed } = journal.state;
    const end = accepted.length;
    await journal.flushed();
    const answer: MeshResponse<'/v1/mesh/transcripts'>['transcripts'] = [];
    let bytes = 0;
    let at = firstAfter(accepted, after);
    for (; at < end && answer.length < transcriptsMax && bytes < bytesMax; at += 1) {
      const one = accepted[at];
      if (!one) break;
      const request = await transcripts.read(one.request);
      const size = JSON.stringify(request).length;
      if (bytes > 0 && bytes + size > bytesMax) break;
      bytes += size;
      const lettersOut = signed.get(`${one.network} ${one.txid}`) ?? [];
      const statements = lettersOut.map(({ statement, signature }) => ({ statement, signature }));
      answer.push({ seq: one.seq, request, txid: one.txid, signed: statements });
    }
    return { transcripts: answer, next: answer.at(-1)?.seq ?? after, done: at >= end };
  };
}

/** Place of the first entry behind record `after`; entries are in the order of their records. */
function firstAfter(entries: readonly { readonly seq: number }[], after: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.seq ?? 0) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
