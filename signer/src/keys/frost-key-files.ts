import { bytesToHex } from '@noble/hashes/utils.js';
import type { KeyRecord } from '@holdfast/core/signing/key-messages.ts';

import { Failure } from '@holdfast/core/failure.ts';
import type { Journal } from '../journal/journal.ts';
import { decodeFrostKey, encodeFrostKey, keyHash, type FrostKey } from './frost-key.ts';
import { walletFolder, type KeyStore } from './key-store.ts';

/**
 * Shares of one network's epoch on disk: `<epoch>.<session>.pending` until the journal says that the session's key is the
 * wallet's, `<epoch>.sealed` from then on.
 */
export interface FrostKeyFiles {
  readonly confirmed: () => FrostKey | null;
  /** The key of a session, pending or confirmed. */
  readonly held: (session: string) => FrostKey | null;
  /** Every signer's word that it holds the confirmed key; null in the first epoch. */
  readonly record: () => KeyRecord | null;
  /** On return the pending share is on the disk. */
  readonly hold: (key: FrostKey) => void;
  /**
   * Records the key for good. @throws Failure key-generation-failed when it cannot be read back from the disk.
   * @param record every signer's word that it holds it; null for the first epoch.
   */
  readonly confirm: (key: FrostKey, record: KeyRecord | null) => Promise<void>;
}

const sealedName = /\/([1-9][0-9]*)\.sealed$/;

/** Epochs of a network whose key the journal records, or whose share is on the disk as a confirmed one; from low to high. */
export function knownEpochs(network: string, store: Pick<KeyStore, 'list'>, state: Journal['state']): number[] {
  const recorded = [...state.keys.values()].filter((key) => key.network === network).map(({ epoch }) => epoch);
  const sealed = store.list(walletFolder(network)).flatMap((name) => Number(sealedName.exec(name)?.[1] ?? 0) || []);
  return [...new Set([...recorded, ...sealed])].sort((a, b) => a - b);
}

/**
 * @throws Failure key-missing when the journal knows a key whose file is gone; journal-broken when there is a confirmed key
 * that the journal does not know; wrong-passphrase.
 */
export function openFrostKeyFiles(
  { network, epoch }: { readonly network: string; readonly epoch: number },
  store: KeyStore,
  journal: Pick<Journal, 'state' | 'append'>,
): FrostKeyFiles {
  const folder = walletFolder(network);
  const finalName = `${folder}/${epoch}.sealed`;
  const pendingName = (session: string): string => `${folder}/${epoch}.${session}.pending`;
  const isPendingName = (name: string): boolean => name.startsWith(`${folder}/${epoch}.`) && name.endsWith('.pending');
  const load = (name: string): FrostKey | null => {
    const opened = store.open(name);
    return opened && decodeFrostKey({ network, epoch }, opened);
  };
  /** After the journal record, so a crash in between is repaired at the next start. */
  const settle = (session: string): void => {
    const names = store.list(folder);
    const isPending = names.includes(pendingName(session));
    if (isPending && names.includes(finalName)) throw unknownKey();
    if (isPending) store.rename(pendingName(session), finalName);
    for (const name of names) if (isPendingName(name) && name !== pendingName(session)) store.remove(name);
  };

  /** A confirmed share is never replaced: coins may lie at its addresses. */
  const unknownKey = (): Failure =>
    new Failure('journal-broken', `${finalName} is the share of a confirmed key, which the journal does not record`, {
      fix: 'The journal is an old or a new one: restore it and the keys folder from the same, newest backup.',
    });

  const recorded = journal.state.keys.get(`${network} ${epoch}`);
  if (recorded) settle(recorded.session);
  else if (store.list(folder).includes(finalName)) throw unknownKey();
  let confirmed = recorded ? load(finalName) : null;
  if (recorded && (confirmed?.session !== recorded.session || bytesToHex(confirmed.groupKey) !== recorded.group_key)) {
    throw new Failure('key-missing', `the share of ${network} that the journal names is not in ${finalName}`, {
      fix: 'Restore the keys folder from backup.',
    });
  }

  let pending: FrostKey | null = null;
  return {
    confirmed: () => confirmed,
    record: () => journal.state.keys.get(`${network} ${epoch}`)?.record ?? null,
    held: (session) => {
      if (confirmed) return confirmed.session === session ? confirmed : null;
      if (pending?.session !== session) pending = load(pendingName(session));
      return pending;
    },
    hold: (key) => {
      const { header, plaintext } = encodeFrostKey(key);
      store.seal(pendingName(key.session), header, plaintext);
      plaintext.fill(0);
      pending = key;
    },
    confirm: async (key, record) => {
      const onDisk = load(pendingName(key.session));
      if (!onDisk || keyHash(onDisk) !== keyHash(key)) {
        throw new Failure(
          'key-generation-failed',
          `the share in ${pendingName(key.session)} is not the one that was made`,
        );
      }
      const body = { network, epoch, session: key.session, group_key: bytesToHex(key.groupKey) };
      await journal.append({ kind: 'key', body: { ...body, ...(record && { record }) } });
      settle(key.session);
      confirmed = key;
    },
  };
}
