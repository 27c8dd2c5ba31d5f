import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from './intent.ts';

/** Everything that somebody signs, apart from intents (signing/intent.ts): one domain each, so that no signature serves twice. */
export type StatementKind =
  /** A version of the policy, by an administrator. */
  | 'policy'
  /** What the key ceremony fixed; compared out of band, never signed. */
  | 'ceremony'
  /** A customer's credential or destination; see customer-record.ts. */
  | 'customer-record'
  /** Trades of customers, by the exchange's engine. */
  | 'settlement'
  /** What the engine sets aside, gives up and owes, where it owns the balances (engine.ts). */
  | 'reservation'
  | 'reservation-release'
  | 'engine-statement'
  /** A correction of a customer's position, by approvers. */
  | 'adjustment'
  /** What becomes of a deposit in quarantine, by approvers. */
  | 'release'
  | 'halt'
  | 'resume'
  /** A deposit address, by each signer. */
  | 'address'
  /** A wallet's key, by each signer that holds a share of it. */
  | 'key'
  /** The head of another signer's journal, by a peer. */
  | 'head'
  /** A tree head of a signer's audit log, by itself and its peers. */
  | 'checkpoint'
  /** That this signer has signed a transaction. */
  | 'signed'
  /** What the custodians' ceremony fixed; compared out of band, never signed. */
  | 'cold-setup'
  /** The public keys of a custodian; compared out of band, never signed. */
  | 'cold-card'
  /** What custodians are asked to sign; compared out of band. Their signatures are over the transaction in it. */
  | 'cold-request';

/** SHA-256("holdfast/<kind>/v1" 0x00 RFC-8785-JSON), 32 bytes. */
export function statementDigest(kind: StatementKind, value: unknown): Uint8Array {
  return sha256(concatBytes(utf8ToBytes(`holdfast/${kind}/v1\0`), utf8ToBytes(canonicalJson(value))));
}

/** The digest as 64 lower-case hex digits. */
export function statementDigestHex(kind: StatementKind, value: unknown): string {
  return bytesToHex(statementDigest(kind, value));
}
