import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import type { Journal } from '../journal/journal.ts';
import { decodeFrostKey, encodeFrostKey, firstEpoch, keyHash, type FrostKey } from './frost-key.ts';
import { walletFolder, type KeyStore } from './key-store.ts';

/**
 * Shares of one network on disk: `<epoch>.<session>.pending` until the journal says that the session's key is the
 * wallet's, `<epoch>.sealed` from then on.
 */
export interface FrostKeyFiles {
  readonly confirmed: () => FrostKey | null;
  /** The key of a session, pending or confirmed. */
  readonly held: (session: string) => FrostKey | null;
  /** On return the pending share is on the disk. */
  readonly hold: (key: FrostKey) => void;
  /** Records the key for good. @throws Failure key-generation-failed when it cannot be read back from the disk. */
  readonly confirm: (key: FrostKey) => Promise<void>;
}

/**
 * @throws Failure key-missing when the journal knows a key whose file is gone; journal-broken when there is a confirmed key
 * that the journal does not know; wrong-passphrase.
 */
export function openFrostKeyFiles(
  network: string,
  store: KeyStore,
  journal: Pick<Journal, 'state' | 'append'>,
): FrostKeyFiles {
  const folder = walletFolder(network);
  const finalName = `${folder}/${firstEpoch}.sealed`;
  const pendingName = (session: string): string => `${folder}/${firstEpoch}.${session}.pending`;
  const load = (name: string): FrostKey | null => {
    const opened = store.open(name);
    return opened && decodeFrostKey(network, opened);
  };
  /** After the journal record, so a crash in between is repaired at the next start. */
  const settle = (session: string): void => {
    const names = store.list(folder);
    const isPending = names.includes(pendingName(session));
    if (isPending && names.includes(finalName)) throw unknownKey();
    if (isPending) store.rename(pendingName(session), finalName);
    for (const name of names) if (name.endsWith('.pending') && name !== pendingName(session)) store.remove(name);
  };

  /** A confirmed share is never replaced: coins may lie at its addresses. */
  const unknownKey = (): Failure =>
    new Failure('journal-broken', `${finalName} is the share of a confirmed key, which the journal does not record`, {
      fix: 'The journal is an old or a new one: restore it and the keys folder from the same, newest backup.',
    });

  const recorded = journal.state.keys.get(network);
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
    confirm: async (key) => {
      const onDisk = load(pendingName(key.session));
      if (!onDisk || keyHash(onDisk) !== keyHash(key)) {
        throw new Failure(
          'key-generation-failed',
          `the share in ${pendingName(key.session)} is not the one that was made`,
        );
      }
      const body = { network, epoch: firstEpoch, session: key.session, group_key: bytesToHex(key.groupKey) };
      await journal.append({ kind: 'key', body });
      settle(key.session);
      confirmed = key;
    },
  };
}
