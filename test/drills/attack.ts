import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { VaultChange } from '@holdfast/devnet/devnet.ts';
import type { AssetName } from '@holdfast/devnet/story/actors.ts';
import type { DrillStage } from './drill-stage.ts';

/** Base units by asset. */
export type Amounts = Partial<Record<AssetName, bigint>>;

/** What an attack came to, measured on the chains and in the signers' journals. */
export interface Outcome {
  /** What reached addresses that the attacker chose. */
  readonly left: Amounts;
  /** Milliseconds from the first hostile act until every running signer was halted; null when nothing had to be halted. */
  readonly haltedAfterMs: number | null;
  /** What the signers recorded of it: kinds and refusal codes of journal records. */
  readonly evidence: readonly string[];
  /** Milliseconds from the first hostile act until something else had happened, by its name: 'paused', 'evacuated'. */
  readonly afterMs?: Readonly<Record<string, number>>;
  /** What a reader of the table should know besides. */
  readonly notes?: readonly string[];
}

/** One attack with exactly the powers of its adversary. */
export interface Attack {
  readonly name: string;
  /** Most that may leave, base units; nothing where left out. Known before the attack begins. */
  readonly bound?: Amounts;
  /** Milliseconds within which every signer must be halted, for an attack that must be noticed and not only refused. */
  readonly haltWithinMs?: number;
  /** The same for what else must have happened by then, named as in the outcome. */
  readonly withinMs?: Readonly<Record<string, number>>;
  run(stage: DrillStage): Promise<Outcome>;
}

/** One of the fifteen of the threat model; see docs/how-to/run-the-drills.md. */
export interface Adversary {
  readonly number: number;
  readonly has: string;
  /** Changes version 1 of the policy of the system that is tried. */
  readonly policy?: (policy: Policy) => void;
  /** What its vault on the chain has instead of the devnet's usual. */
  readonly vault?: VaultChange;
  /** The server's endpoints a network, where they are more than the devnet's two. */
  readonly nodes?: { readonly endpoints: number; readonly agree: number };
  /** What honest parties do before the attacks. */
  readonly prepare?: (stage: DrillStage) => Promise<void>;
  readonly attacks: readonly Attack[];
}

/** One line of the table. */
export interface DrillRow {
  readonly adversary: number;
  readonly attack: string;
  readonly left: Amounts;
  readonly bound: Amounts;
  /** The largest share of a hot balance that left, of 1. */
  readonly shareOfHot: number;
  readonly haltedAfterMs: number | null;
  readonly evidence: readonly string[];
  readonly afterMs: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  /** Why the drill failed; null when its bound held. */
  readonly broken: string | null;
}
