import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { base64urlnopad } from '@scure/base';
import type { RelyingParty } from '../policy/policy.ts';
import { sampleCredential, sampleSignature, secretOf } from '../policy/sample-policy.test-support.ts';
import type { CustomerRecord } from './customer-record.ts';
import { signP256 } from './sign-p256.test-support.ts';
import type { Assertion, KeySignature } from './evidence.ts';
import type { JournalEntry } from './journal-record.ts';
import { emptyHead, encodeRecord, type JournalHead } from './journal-record.ts';
import { applyRecord, emptyState, type JournalState } from './journal-state.ts';

/** What a software authenticator lets a test change before it signs. */
export interface AssertionChange {
  readonly rpId?: string;
  readonly flags?: number;
  readonly trailing?: Uint8Array;
  /** Replaces fields of the client data; undefined takes one away. */
  readonly client?: Readonly<Record<string, unknown>>;
  /** Replaces the whole text or bytes of the client data. */
  readonly clientText?: (text: string) => string | Uint8Array;
}

/** The assertion that the passkey `sampleCredential(name)` gives over a digest. */
export function assertionBy(
  name: string,
  digest: Uint8Array,
  { rp_id: rpId, origins: [origin] }: RelyingParty,
  change: AssertionChange = {},
): Assertion {
  const flags = Uint8Array.of(change.flags ?? 0x05, 0, 0, 0, 9);
  const authenticatorData = concatBytes(
    sha256(utf8ToBytes(change.rpId ?? rpId)),
    flags,
    change.trailing ?? new Uint8Array(),
  );
  const client = {
    type: 'webauthn.get',
    challenge: base64urlnopad.encode(digest),
    origin,
    crossOrigin: false,
    ...change.client,
  };
  const changed = (change.clientText ?? ((text) => text))(JSON.stringify(client));
  const clientData = typeof changed === 'string' ? utf8ToBytes(changed) : changed;
  const signature = signP256(concatBytes(authenticatorData, sha256(clientData)), secretOf(name));
  return {
    credential_id: sampleCredential(name).credential_id,
    authenticator_data: bytesToHex(authenticatorData),
    client_data_json: bytesToHex(clientData),
    signature: bytesToHex(signature),
  };
}

/** The signature of the key `sampleKey(name)` over a digest. */
export function signatureBy(name: string, digest: Uint8Array): KeySignature {
  return { key_id: name, signature: sampleSignature(name, digest) };
}

/** A journal in memory: its lines, and the state that they make. */
export interface MemoryJournal {
  readonly state: JournalState;
  readonly lines: string[];
  readonly append: (entry: JournalEntry, atMs: number) => void;
}

export function memoryJournal(): MemoryJournal {
  const state = emptyState();
  const lines: string[] = [];
  let head: JournalHead = emptyHead;
  const append = (entry: JournalEntry, atMs: number): void => {
    const encoded = encodeRecord(head, entry, atMs);
    head = encoded.head;
    lines.push(encoded.line);
    applyRecord(state, encoded.record);
  };
  return { state, lines, append };
}

/** The record of a passkey `sampleCredential(name)` that counts from `effectiveAtMs` on, its evidence left out. */
export function credentialEntry(name: string, customer: string, effectiveAtMs: number): JournalEntry {
  const { credential_id, public_key } = sampleCredential(name);
  const record = {
    version: 1,
    kind: 'credential',
    action: 'add',
    customer,
    credential_id,
    public_key,
    nonce: 'nonce-0001',
  } as const;
  const signed: CustomerRecord = { record, authorization: { key_id: 'integrator-1', signature: '00'.repeat(64) } };
  const digest = bytesToHex(sha256(utf8ToBytes(`${name} ${customer}`)));
  return {
    kind: 'customer-record',
    body: { digest, signed, effective_at_ms: effectiveAtMs, amount: null, code: null },
  };
}
