import type { Adversary } from './attack.ts';
import { besidesThePayment, bytesSwapped, feeToMiner, foreignChange } from './attack-tools-builder-bitcoin.ts';
import {
  deadlines,
  extraLegs,
  hiddenDelegatecalls,
  safeTakenOver,
  signaturesMoved,
  takenLater,
  twoReadings,
} from './attack-tools-builder-safe.ts';

/**
 * Kiln, Bybit: the code that builds transactions is the thief's. Its evidence is real (customers did ask for these
 * payments), and its bytes reach the signers as the server's own. Each attack ends with honest bytes for the same intents.
 */
export const transactionBuilder: Adversary = {
  number: 12,
  has: 'the transaction builder',
  attacks: [
    extraLegs,
    deadlines,
    hiddenDelegatecalls,
    safeTakenOver,
    takenLater,
    twoReadings,
    signaturesMoved,
    foreignChange,
    feeToMiner,
    besidesThePayment,
    bytesSwapped,
  ],
};
