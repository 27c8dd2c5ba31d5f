import type { Adversary } from './attack.ts';
import { emergencyAlone } from './attack-tools-02-emergency.ts';
import { forkedLog, setBack } from './attack-tools-02-journal.ts';
import { safeAlone, shareAlone } from './attack-tools-02-keys.ts';
import { asPeer, falseNotice } from './attack-tools-02-mesh.ts';

/** The thief has signer-1: its process, its disk and its passphrase; nothing of the server, nothing of the others. */
export const oneSigner: Adversary = {
  number: 2,
  has: 'one signer: its process, its keys and its disk',
  // The last one empties the vault.
  attacks: [safeAlone, shareAlone, asPeer, setBack, falseNotice, forkedLog, emergencyAlone],
};
