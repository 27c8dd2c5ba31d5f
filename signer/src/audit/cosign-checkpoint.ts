import { hexToBytes } from '@noble/hashes/utils.js';
import { emptyRoot } from '@holdfast/core/audit/leaf-hash.ts';
import { verifyConsistency } from '@holdfast/core/audit/verify-consistency.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { MeshRequest, MeshResponse } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { Journal } from '../journal/journal.ts';
import type { StatementKey } from '../keys/statement-key.ts';

/** A peer that asks for more only fills this signer's journal. */
const cosignaturesPerHourMax = 240;
const hourMs = 3_600_000;

/** Answers a peer that wants its tree head cosigned. */
export type Cosign = (
  peer: { readonly signer: string; readonly statementKey: string },
  request: MeshRequest<'/v1/mesh/checkpoint'>,
) => Promise<MeshResponse<'/v1/mesh/checkpoint'>>;

/**
 * @returns a function that cosigns what only grew since this signer's last cosignature. It throws Failure audit-invalid,
 * a reason to halt, when the peer's own signature shows a second or a shorter log; invalid-request when that signature
 * does not hold; rate-limited; and the journal's.
 */
export function createCosign(deps: {
  readonly journal: Journal;
  readonly statementKey: StatementKey;
  readonly verifiers: Verifiers;
  readonly onCosigned: () => void;
}): Cosign {
  const { journal, statementKey, verifiers, onCosigned } = deps;
  const counts = new Map<string, { hour: number; count: number }>();

  const refuseTooMany = (signer: string): void => {
    const hour = Math.floor(journal.nowMs() / hourMs);
    const known = counts.get(signer);
    const count = known?.hour === hour ? known.count + 1 : 1;
    if (count > cosignaturesPerHourMax) {
      throw new Failure('rate-limited', `${signer} asks for more than ${cosignaturesPerHourMax} cosignatures an hour`);
    }
    counts.set(signer, { hour, count });
  };

  return async ({ signer, statementKey: key }, { checkpoint, signature, from, proof }) => {
    const digest = statementDigest('checkpoint', checkpoint);
    if (checkpoint.signer !== signer || !verifiers.ed25519(hexToBytes(key), digest, signature)) {
      throw new Failure('invalid-request', `the checkpoint is not signed by ${signer}`);
    }
    const last = journal.state.cosigned.get(signer) ?? null;
    if (last !== null && checkpoint.size < last.size) {
      throw forked(signer, `the log of ${signer} has ${checkpoint.size} records after ${last.size}`);
    }
    if (last !== null && checkpoint.size === last.size) {
      if (checkpoint.root !== last.root) throw forked(signer, `${signer} shows two logs of ${last.size} records`);
      await journal.flushed();
      return { cosignature: statementKey.sign(digest) };
    }
    const lastSize = last?.size ?? 0;
    if (from !== lastSize) return { last_size: lastSize };
    const grew = verifyConsistency({
      from,
      fromRoot: last === null ? emptyRoot() : hexToBytes(last.root),
      to: checkpoint.size,
      toRoot: hexToBytes(checkpoint.root),
      proof: proof.map(hexToBytes),
    });
    if (!grew)
      throw forked(signer, `the log of ${signer} at ${checkpoint.size} does not contain the one at ${lastSize}`);
    refuseTooMany(signer);
    onCosigned();
    await journal.append({ kind: 'cosigned', body: { checkpoint } });
    return { cosignature: statementKey.sign(digest) };
  };
}

function forked(signer: string, message: string): Failure {
  return new Failure('audit-invalid', message, {
    fix: `Somebody rewrote the journal of ${signer}, or restored an old one. Keep its files and those of this signer.`,
  });
}
