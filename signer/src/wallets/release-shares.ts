import { Failure } from '@holdfast/core/failure.ts';
import type { SignerRequest } from '@holdfast/core/signing/messages.ts';
import type { SigningSessions } from '../keys/signing-sessions.ts';
import { journalSigned } from './journal-signed.ts';
import type { Permit } from './reserve-together.ts';
import type { WalletDeps } from './wallet.ts';

/** Between the two rounds of FROST: which reserved transaction a session signs. */
export interface ShareDesk {
  /** Remembers the transaction of a session that was just opened. */
  readonly opened: (session: string, permit: Permit) => void;
  /** Journals 'signed' and only then gives the shares out. @throws Failure session-unknown, commitments-invalid, halted. */
  readonly share: (
    session: string,
    commitments: SignerRequest<'/v1/sign/bitcoin/share'>['commitments'],
  ) => Promise<string[]>;
}

/** As many as `createSigningSessions` keeps; the oldest are long expired there. */
const permitsMax = 256;

export function createShareDesk(sessions: Pick<SigningSessions, 'share'>, deps: WalletDeps): ShareDesk {
  const permits = new Map<string, Permit>();
  const opened: ShareDesk['opened'] = (session, permit) => {
    const [oldest] = permits.keys();
    if (permits.size >= permitsMax && oldest !== undefined) permits.delete(oldest);
    permits.set(session, permit);
  };
  const share: ShareDesk['share'] = async (session, commitments) => {
    const permit = permits.get(session);
    // One use, whatever happens from here on.
    permits.delete(session);
    if (!permit) throw new Failure('session-unknown', `no signing session ${session}`);
    // First what may still be refused: the journal must not say that something left that did not.
    const shares = sessions.share(session, commitments);
    await journalSigned(deps, permit);
    return shares;
  };
  return { opened, share };
}
