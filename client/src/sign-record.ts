import { sign } from 'node:crypto';
import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import { engineDigest } from '@holdfast/core/signing/engine.ts';
import type { KeySignature } from '@holdfast/core/signing/evidence.ts';
import type { HaltStatement, SignedHalt } from '@holdfast/core/signing/halt.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { ed25519PrivateKey, type PrivateKey } from './keys.ts';

export interface RecordSigner {
  /** As the policy lists it. */
  readonly keyId: string;
  readonly privateKey: PrivateKey;
}

type Signable = Extract<CustomerRecord, { authorization: unknown }>['record'];

/**
 * Signs a credential, a destination (with an integrator key of the policy) or a settlement (with an engine key): Ed25519
 * over the record's digest.
 */
export function signRecord(record: Signable, signer: RecordSigner): KeySignature {
  const digest = statementDigest(record.kind === 'settlement' ? 'settlement' : 'customer-record', record);
  return keySignature(digest, signer);
}

type EngineRecord = Parameters<typeof engineDigest>[0];

/** Signs what the engine sets aside, gives up or owes, where it owns the balances, with its key of the policy. */
export function signEngineRecord<R extends EngineRecord>(
  record: R,
  signer: RecordSigner,
): { record: R; authorization: KeySignature } {
  return { record, authorization: keySignature(engineDigest(record), signer) };
}

/** Signs a halt with a key of the policy's `halt_keys`: now, or in advance as a token to keep offline. */
export function signHalt(statement: HaltStatement, signer: RecordSigner): SignedHalt {
  return { statement, evidence: keySignature(statementDigest('halt', statement), signer) };
}

function keySignature(digest: Uint8Array, { keyId, privateKey }: RecordSigner): KeySignature {
  return { key_id: keyId, signature: sign(null, digest, ed25519PrivateKey(privateKey)).toString('hex') };
}
