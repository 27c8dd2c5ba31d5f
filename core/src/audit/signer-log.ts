import type { CeremonyTranscript } from '../policy/ceremony.ts';
import type { Policy } from '../policy/policy.ts';
import { emptyState, type JournalState } from '../signing/journal-state.ts';
import type { CheckedIntent } from '../signing/check-intents.ts';
import type { Checkpoint, SignedStatement } from '../signing/messages.ts';
import { createHashList, type HashList } from './hash-list.ts';
import { createMerkleTree, type MerkleTree } from './merkle-tree.ts';
import type { AuditProblem, SignerFiles } from './signer-files.ts';

/** A payment that an accepted transaction makes, with the evidence that held. */
export interface AuditedPayment {
  /** Of the intent, 64 hex digits. */
  readonly digest: string;
  /** CAIP-19. */
  readonly asset: string;
  /** Base units. */
  readonly amount: bigint;
  readonly destination: string;
  readonly customer: string;
  /** `passkey <credential>` or `key <key id>`. */
  readonly authorizedBy: string;
  /** Ids of the approvers. */
  readonly approvedBy: readonly string[];
}

/** An accepted transaction whose request and evidence were looked at. */
export interface AuditedTransaction {
  readonly seq: number;
  readonly atMs: number;
  readonly network: string;
  readonly txid: string;
  readonly by: string;
  /** SHA-256 of the request. */
  readonly request: string;
  readonly policy: number;
  readonly conflictKeys: readonly string[];
  readonly digests: readonly string[];
  readonly kind: 'payment' | 'evacuation' | 'skim' | 'call';
  readonly payments: readonly AuditedPayment[];
  /** Own change, as the request has it. */
  readonly change: readonly { readonly address: string; readonly amount: bigint }[];
  /** For the degraded budget. */
  readonly intents: readonly CheckedIntent[];
}

/** What one signer's folder says, as far as it was read; `problems` says what of it does not hold. */
export interface SignerLog {
  readonly files: SignerFiles;
  /** By its first record. */
  signer: string;
  ceremony: CeremonyTranscript | null;
  /** Of ceremony.json, 64 hex digits. */
  ceremonyDigest: string | null;
  /** Before the first record 0. */
  firstAtMs: number;
  lastAtMs: number;
  readonly state: JournalState;
  /** Leaves: the lines of the journal. */
  readonly tree: MerkleTree;
  /** SHA-256 of each line, as `prev` and peers name it. */
  readonly lineHashes: HashList;
  /** By version: those whose file is what the journal recorded. */
  readonly policies: Map<number, { readonly policy: Policy; readonly effectiveAtMs: number }>;
  /** By `<network> <txid>`. */
  readonly transactions: Map<string, AuditedTransaction>;
  readonly signed: { readonly seq: number; readonly atMs: number; readonly statement: SignedStatement }[];
  readonly countersigned: {
    readonly seq: number;
    readonly signer: string;
    readonly head: number;
    readonly hash: string;
  }[];
  readonly cosigned: { readonly seq: number; readonly checkpoint: Checkpoint }[];
  readonly checkpoints: { readonly checkpoint: Checkpoint; readonly cosigners: readonly string[] }[];
  readonly problems: AuditProblem[];
  /** True of the journal, and no proof of anything wrong. */
  readonly notes: AuditProblem[];
}

export function createSignerLog(files: SignerFiles): SignerLog {
  return {
    files,
    signer: '',
    ceremony: null,
    ceremonyDigest: null,
    firstAtMs: 0,
    lastAtMs: 0,
    state: emptyState(),
    tree: createMerkleTree(),
    lineHashes: createHashList(),
    policies: new Map(),
    transactions: new Map(),
    signed: [],
    countersigned: [],
    cosigned: [],
    checkpoints: [],
    problems: [],
    notes: [],
  };
}

/** Statement key of a signer of the ceremony, hex; undefined for anybody else. */
export function statementKeyOf(log: SignerLog, signer: string): string | undefined {
  return log.ceremony?.signers.find((one) => one.signer === signer)?.statement_key;
}
