import { Failure } from '@holdfast/core/failure.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { SignerStatus } from '@holdfast/core/signing/messages.ts';
import { policyDigest, type BitcoinNetworkPolicy, type Policy } from '@holdfast/core/policy/policy.ts';
import type { Journal } from '../journal/journal.ts';
import { bitcoinPolicyOf } from '../review/review-context.ts';
import { knownEpochs, openFrostKeyFiles } from './frost-key-files.ts';
import { publicWallet, type FrostKey } from './frost-key.ts';
import { createKeyGeneration, type KeyGeneration, type KeyPeer, type Rotation } from './key-generation.ts';
import type { KeyStore } from './key-store.ts';

/** The keys of one wallet, epoch by epoch. */
export interface Keyring {
  readonly network: string;
  /** Of the newest epoch: the only one that payments are signed with. */
  readonly active: () => FrostKey | null;
  /** @throws Failure key-missing. */
  readonly at: (epoch: number) => FrostKey;
  /** The epoch that is to be made now; null for none. */
  readonly due: () => number | null;
  /** @throws Failure key-not-ordered for an epoch that is neither there nor due. */
  readonly generation: (epoch: number) => KeyGeneration;
  /** What the server may know of all epochs, from the first on. */
  readonly report: () => SignerStatus['frost_wallets'];
}

/**
 * Opens the keys that the journal records.
 * @param input.policy in force now.
 * @throws Failure as `openFrostKeyFiles`.
 */
export function openKeyring(input: {
  readonly network: string;
  readonly identifier: number;
  readonly quorum: number;
  readonly ceremony: string;
  readonly peers: readonly KeyPeer[];
  readonly store: KeyStore;
  readonly journal: Pick<Journal, 'state' | 'append'>;
  readonly policy: () => Policy;
  /** As `createKeyGeneration` has it. */
  readonly judgeBuilds: () => Promise<void>;
  readonly statements: Omit<Rotation, 'orderedBy'>;
}): Keyring {
  const { network, store, journal, policy, statements } = input;
  const generations = new Map<number, KeyGeneration>();

  const active = (): FrostKey | null => {
    const keys = [...generations.values()].flatMap((one) => one.confirmed() ?? []);
    return keys.reduce<FrostKey | null>((newest, key) => (newest && newest.epoch > key.epoch ? newest : key), null);
  };
  /** What the administrators ask for; a wallet that the policy lacks stays as it is. */
  const ordered = (): Pick<BitcoinNetworkPolicy, 'key_epoch' | 'wallet'> => {
    const known = policy().networks.some((one) => one.network === network);
    return known ? bitcoinPolicyOf(policy(), network) : {};
  };
  const wanted = (): number => ordered().key_epoch ?? firstEpoch;
  const due = (): number | null => {
    // A wallet of the signers' own keys needs no other: nobody could be paid at a key that nobody watches.
    if (ordered().wallet) return null;
    const newest = active()?.epoch;
    if (newest === undefined) return firstEpoch;
    // One after the other: a number further on is a mistake, and one that is passed orders nothing.
    return wanted() === newest + 1 ? newest + 1 : null;
  };
  const notOrdered = (epoch: number): Failure =>
    new Failure(
      'key-not-ordered',
      `no policy in force orders keys of epoch ${epoch} of ${network} after ${newestName()}`,
    );
  const newestName = (): string => String(active()?.epoch ?? 'none');
  const open = (epoch: number): KeyGeneration => {
    const orderedBy: Rotation['orderedBy'] = (confirming) => {
      const isOrdered = confirming ? wanted() >= epoch : due() === epoch;
      if (!isOrdered) throw notOrdered(epoch);
      return policyDigest(policy());
    };
    const files = openFrostKeyFiles({ network, epoch }, store, journal);
    const rotation = epoch === firstEpoch ? null : { ...statements, orderedBy };
    const opened = createKeyGeneration({ ...input, epoch, rotation, files });
    generations.set(epoch, opened);
    return opened;
  };
  for (const epoch of knownEpochs(network, store, journal.state)) open(epoch);

  return {
    network,
    active,
    at: (epoch) => {
      const key = generations.get(epoch)?.confirmed();
      if (!key) throw new Failure('key-missing', `${network} has no key of epoch ${epoch} yet`);
      return key;
    },
    due,
    generation: (epoch) => {
      const found = generations.get(epoch);
      if (found) return found;
      if (due() !== epoch) throw notOrdered(epoch);
      return open(epoch);
    },
    report: () =>
      [...generations.values()]
        .flatMap((one) => {
          const key = one.confirmed();
          const record = one.record();
          return key ? [{ ...publicWallet(key), ...(record && { record }) }] : [];
        })
        .sort((a, b) => a.epoch - b.epoch),
  };
}
