import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import type { Journal } from '../journal/journal.ts';
import { decodeFrostKey, encodeFrostKey, firstEpoch, walletFolder, type FrostKey } from './frost-key.ts';
import type { KeyStore } from './key-store.ts';

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
  /** Records the key for good. */
  readonly confirm: (key: FrostKey) => Promise<void>;
}

/** @throws Failure key-missing when the journal knows a key whose file is gone; wrong-passphrase. */
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
    if (names.includes(pendingName(session))) store.rename(pendingName(session), finalName);
    for (const name of names) if (name.endsWith('.pending') && name !== pendingName(session)) store.remove(name);
  };

  const recorded = journal.state.keys.get(network);
  if (recorded) settle(recorded.session);
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
      const body = { network, epoch: firstEpoch, session: key.session, group_key: bytesToHex(key.groupKey) };
      await journal.append({ kind: 'key', body });
      settle(key.session);
      confirmed = key;
    },
  };
}
