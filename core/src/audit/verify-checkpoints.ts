import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import type { Verifiers } from '../signing/verifiers.ts';
import { parseCheckpointLine } from './checkpoint-line.ts';
import type { SignerLog } from './signer-log.ts';
import { verifyStatement } from './verify-statement.ts';

/** Checks every tree head of checkpoints.jsonl against the journal that was read and the ceremony's statement keys. */
export function verifyCheckpoints(log: SignerLog, verifiers: Verifiers): void {
  let line = 0;
  let sizeBefore = 0;
  for (const text of log.files.checkpoints) {
    line += 1;
    try {
      sizeBefore = verifyLine(log, text, sizeBefore, verifiers);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      log.problems.push({ folder: log.files.folder, file: 'checkpoints.jsonl', record: line, message: error.message });
    }
  }
}

function verifyLine(log: SignerLog, text: string, sizeBefore: number, verifiers: Verifiers): number {
  const { checkpoint, signature, cosignatures } = parseCheckpointLine(text);
  const { signer, size, root } = checkpoint;
  if (signer !== log.signer) throw invalid(`a checkpoint of ${signer}, not of ${log.signer}`);
  if (size < sizeBefore) throw invalid(`the log shrinks from ${sizeBefore} to ${size} records`);
  if (!verifyStatement(log, { kind: 'checkpoint', value: checkpoint, signer, signature }, verifiers)) {
    throw invalid(`the signature of ${signer} does not hold`);
  }
  const cosigners = new Set<string>();
  for (const one of cosignatures) {
    const held = verifyStatement(log, { kind: 'checkpoint', value: checkpoint, ...one }, verifiers);
    if (!held || one.signer === signer || cosigners.has(one.signer)) {
      throw invalid(`the cosignature of ${one.signer} does not hold`);
    }
    cosigners.add(one.signer);
  }
  if (size > log.tree.size()) throw invalid(`it covers ${size} records, the journal has ${log.tree.size()}`);
  if (bytesToHex(log.tree.rootAt(size)) !== root)
    throw invalid(`the first ${size} records of the journal have another root`);
  log.checkpoints.push({ checkpoint, cosigners: [...cosigners] });
  return size;
}

function invalid(message: string): Failure {
  return new Failure('audit-invalid', message);
}
