import type { InspectedTransaction } from '../chains/bitcoin/inspect.ts';
import { compactSize } from '../chains/bitcoin/wire.ts';

/** Marker and flag, BIP-144. */
const segwitWeight = 2;
/** OP_3, five keys of 33 bytes with their pushes, OP_5, OP_CHECKMULTISIG. */
const witnessScriptBytes = 3 + 5 * 34;
/** Item count, empty item, three DER signatures of at most 72 bytes with sighash type and length, script. */
const refillWitness = 1 + 1 + 3 * 73 + compactSize(witnessScriptBytes).length + witnessScriptBytes;
/** Five keys of 32 bytes with push and opcode, OP_3, OP_NUMEQUAL. */
const leafBytes = 5 * 34 + 2;
/** Item count, three signatures of 64 bytes and two empty ones, script, control block of 33 bytes. */
const recoveryWitness = 1 + 3 * 65 + 2 + compactSize(leafBytes).length + leafBytes + 34;

/** Most virtual bytes of a refill once it has its signatures, BIP-141: weight / 4, rounded up. */
export function refillVsize(tx: Pick<InspectedTransaction, 'inputs' | 'outputs'>): number {
  return vsize(tx, refillWitness);
}

/** The same of a recovery. */
export function recoveryVsize(tx: Pick<InspectedTransaction, 'inputs' | 'outputs'>): number {
  return vsize(tx, recoveryWitness);
}

function vsize({ inputs, outputs }: Pick<InspectedTransaction, 'inputs' | 'outputs'>, witness: number): number {
  const outputBytes = outputs.reduce((sum, { script }) => {
    const bytes = script.length / 2;
    return sum + 8 + compactSize(bytes).length + bytes;
  }, 0);
  const stripped =
    4 + compactSize(inputs.length).length + inputs.length * 41 + compactSize(outputs.length).length + outputBytes + 4;
  return Math.ceil((stripped * 4 + segwitWeight + witness * inputs.length) / 4);
}
