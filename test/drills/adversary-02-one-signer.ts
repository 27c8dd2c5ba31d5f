import type { Adversary } from './attack.ts';
import { forkedLog, setBack } from './attack-tools-02-journal.ts';
import { safeAlone, shareAlone } from './attack-tools-02-keys.ts';
import { asPeer, falseNotice } from './attack-tools-02-mesh.ts';

/** The thief has signer-1: its process, its disk and its passphrase; nothing of the server, nothing of the others. */
export const oneSigner: Adversary = {
  number: 2,
  has: 'one signer: its process, its keys and its disk',
  attacks: [safeAlone, shareAlone, asPeer, setBack, falseNotice, forkedLog],
};
