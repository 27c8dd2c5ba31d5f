import type { NetworkPolicy } from '../policy/policy.ts';
import type { SigningRequest } from '../signing/messages.ts';
import type { Verifiers } from '../signing/verifiers.ts';

/** What a signer leaves behind, as an auditor reads it: nothing secret, and nothing that is believed. */
export interface SignerFiles {
  /** Names the folder in reports. */
  readonly folder: string;
  /** Whole lines of journal.jsonl, without newlines. */
  readonly journal: Iterable<string>;
  /** The line of transcripts.jsonl with this SHA-256, or null. */
  readonly request: (hash: string) => string | null;
  /** Text of policies/<version>.json, or null. */
  readonly policy: (version: number) => string | null;
  /** Text of ceremony.json, or null. */
  readonly ceremony: string | null;
  /** Whole lines of checkpoints.jsonl. */
  readonly checkpoints: Iterable<string>;
}

/** What does not hold, and where. */
export interface AuditProblem {
  readonly folder: string;
  readonly file: string;
  /** Record of the journal or line of the file, from 1; null for the file as a whole. */
  readonly record: number | null;
  readonly message: string;
}

/** What the raw bytes of a request do on their chain. */
export interface TransactionFacts {
  /** 64 hex digits. */
  readonly txid: string;
  readonly conflictKeys: readonly string[];
  /** Everything that leaves, own change aside; `target` is the family's canonical form of the destination. */
  readonly payments: readonly {
    readonly asset: string;
    readonly target: string;
    /** For people. */
    readonly address: string;
    readonly amount: bigint;
  }[];
  /** Outputs that the request calls own change, base units: whose they are, only the wallet's keys tell. */
  readonly change: readonly { readonly address: string; readonly amount: bigint }[];
  /** All payments go to sealed cold addresses of the policy. */
  readonly toCold: boolean;
  /** Canonical text of a destination, and what `payments` calls it. @throws Failure invalid-address, network-mismatch. */
  readonly parseDestination: (text: string) => { readonly address: string; readonly target: string };
}

/** Decodes a request with the inspectors of its chain. @throws Failure when a byte cannot be accounted for. */
export type ReadTransaction = (request: SigningRequest, network: NetworkPolicy) => TransactionFacts;

export interface AuditTools {
  readonly verifiers: Verifiers;
  readonly readTransaction: ReadTransaction;
}
