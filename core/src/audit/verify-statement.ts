import { hexToBytes } from '@noble/hashes/utils.js';
import { statementDigest, type StatementKind } from '../signing/statement.ts';
import type { Verifiers } from '../signing/verifiers.ts';
import { statementKeyOf, type SignerLog } from './signer-log.ts';

/** Whether a signer of the ceremony signed the statement with its statement key. */
export function verifyStatement(
  log: SignerLog,
  signed: {
    readonly kind: StatementKind;
    readonly value: unknown;
    readonly signer: string;
    readonly signature: string;
  },
  verifiers: Verifiers,
): boolean {
  const key = statementKeyOf(log, signed.signer);
  if (key === undefined) return false;
  return verifiers.ed25519(hexToBytes(key), statementDigest(signed.kind, signed.value), signed.signature);
}
