import type { Adversary } from './attack.ts';
import { hostAndDatabase } from './adversary-01-host-and-database.ts';
import { oneSigner } from './adversary-02-one-signer.ts';
import { signerAndServer } from './adversary-03-signer-and-server.ts';
import { operatorsPage } from './adversary-04-operators-page.ts';
import { oneAdministrator } from './adversary-05-one-administrator.ts';
import { serverDependency } from './adversary-06-server-dependency.ts';
import { lyingNodes } from './adversary-07-lying-nodes.ts';
import { insideApprover } from './adversary-08-inside-approver.ts';
import { stolenSession } from './adversary-09-stolen-session.ts';
import { stolenApiKey } from './adversary-10-stolen-api-key.ts';
import { keptSignatures } from './adversary-11-kept-signatures.ts';
import { transactionBuilder } from './adversary-12-transaction-builder.ts';
import { hotQuorum } from './adversary-13-hot-quorum.ts';
import { coldGovernance } from './adversary-14-cold-governance.ts';
import { signerRelease } from './adversary-15-signer-release.ts';

/** All fifteen of the threat model. */
export const adversaries: readonly Adversary[] = [
  hostAndDatabase,
  oneSigner,
  signerAndServer,
  operatorsPage,
  oneAdministrator,
  serverDependency,
  lyingNodes,
  insideApprover,
  stolenSession,
  stolenApiKey,
  keptSignatures,
  transactionBuilder,
  hotQuorum,
  coldGovernance,
  signerRelease,
];
