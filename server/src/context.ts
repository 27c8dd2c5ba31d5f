import type { Lanes } from './jobs/keep-lanes.ts';
import type { Database } from './store/database.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { ServerConfig } from './config.ts';

/** What every job and operation gets instead of globals: the database, the clock, ids, and the test's kill switch. */
export interface Context {
  readonly db: Database;
  readonly config: ServerConfig;
  /** The server's copy, for early refusals. */
  readonly policy: Policy;
  /** UTC milliseconds. */
  readonly now: () => number;
  /** UUIDv7. */
  readonly newId: () => string;
  /** Marks a numbered step of a flow; a test configures one at which the process dies. */
  readonly step: (name: Step) => void;
  readonly log: (event: string, fields?: Record<string, unknown>) => void;
  /** Which loops are this server's; without it all are. */
  readonly lanes?: Lanes;
}

/** Every place of a deposit's or a withdrawal's life between two effects, in order. A functional test kills the server at each. */
export const steps = [
  'address-before-insert',
  'address-before-activate',
  'block-before-apply',
  'block-before-commit',
  'block-after-commit',
  'credit-before-commit',
  'credit-after-commit',
  'withdrawal-before-commit',
  'withdrawal-after-commit',
  'approval-before-commit',
  'approval-after-commit',
  'record-before-commit',
  'record-after-commit',
  'settlement-before-commit',
  'settlement-after-commit',
  'tell-before-commit',
  'tell-after-commit',
  'batch-before-commit',
  'batch-after-commit',
  'sign-before-request',
  'sign-after-quorum',
  'sign-before-commit',
  'sign-after-commit',
  'broadcast-after-send',
  'broadcast-after-commit',
  'settle-before-commit',
  'settle-after-commit',
  'sweep-before-commit',
  'sweep-after-commit',
] as const;

/** The same of a rotation of keys, and of coins that move between own addresses. */
export const rotationSteps = ['rotate-before-commit', 'move-after-quorum'] as const;

/** The same of a payment whose fee is raised. */
export const bumpSteps = ['bump-before-commit', 'bump-after-commit', 'bump-after-quorum', 'bump-after-store'] as const;
/** The same of a decision about a deposit in quarantine. */
export const quarantineSteps = ['release-before-commit', 'release-after-commit'] as const;
/** The same of the relayer's envelopes. */
export const laneSteps = ['lane-before-commit', 'lane-after-commit'] as const;
/** The same of a skim. */
export const skimSteps = ['skim-before-commit', 'skim-after-quorum', 'skim-after-store'] as const;
/** The same of a withdrawal that is canceled. */
export const cancelSteps = ['cancel-before-commit', 'cancel-after-commit'] as const;
export type Step =
  | (typeof steps)[number]
  | (typeof rotationSteps)[number]
  | (typeof bumpSteps)[number]
  | (typeof quarantineSteps)[number]
  | (typeof laneSteps)[number]
  | (typeof skimSteps)[number]
  | (typeof cancelSteps)[number];
