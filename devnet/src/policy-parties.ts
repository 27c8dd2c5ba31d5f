import { join } from 'node:path';
import { keepCredential, type SoftwarePasskey } from './authenticator.ts';
import { type Ed25519Pair, keepEd25519 } from './private-files.ts';

/** Relying parties of the devnet. Approval credentials have one of their own and never sign in. */
export const relyingParties = {
  customers: { rp_id: 'exchange.localhost', origins: ['https://exchange.localhost'] },
  approvals: { rp_id: 'approvals.localhost', origins: ['https://approvals.localhost'] },
};
export const customersOrigin = 'https://exchange.localhost';
export const approvalsOrigin = 'https://approvals.localhost';

/** An Ed25519 key with its name in the policy. */
export interface NamedKey extends Ed25519Pair {
  readonly keyId: string;
}

/** A passkey with its person's name in the policy. */
export interface NamedPasskey {
  readonly id: string;
  readonly passkey: SoftwarePasskey;
}

/** Whom the policy names. On a devnet all their keys lie on one disk, which is why it is worth nothing elsewhere. */
export interface PolicyParties {
  readonly administrators: readonly NamedKey[];
  /** The last one has the offline client. */
  readonly approvers: readonly NamedPasskey[];
  readonly operators: readonly NamedPasskey[];
  /** A watcher's, and the one that signs halt tokens in advance. */
  readonly haltKeys: readonly NamedKey[];
  readonly engine: NamedKey;
  readonly integrator: NamedKey;
}

/** Their keys below the folder of a devnet, made when they are missing. */
export function keepParties(folder: string): PolicyParties {
  const key = (path: string, keyId: string): NamedKey => ({ keyId, ...keepEd25519(join(folder, path)) });
  const passkey = (group: string, id: string): NamedPasskey => ({
    id,
    passkey: keepCredential(join(folder, 'devnet', group, `${id}.json`), relyingParties.approvals.rp_id),
  });
  return {
    administrators: ['administrator-1', 'administrator-2', 'administrator-3'].map((id) =>
      key(`devnet/administrators/${id}.json`, id),
    ),
    approvers: ['approver-1', 'approver-2', 'approver-3'].map((id) => passkey('approvers', id)),
    operators: [passkey('operators', 'operator-1')],
    haltKeys: ['watcher-1', 'halt-token-1'].map((id) => key(`devnet/halt/${id}.json`, id)),
    engine: key('integrator/engine.json', 'engine-1'),
    integrator: key('integrator/intent.json', 'integrator'),
  };
}
