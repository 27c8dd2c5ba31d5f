import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { Failure } from '../failure.ts';
import { ceremonyDigest, CeremonyTranscript } from '../policy/ceremony.ts';
import { statementDigest } from '../signing/statement.ts';
import type { Verifiers } from '../signing/verifiers.ts';
import { CheckpointLine, parseCheckpointLine } from './checkpoint-line.ts';
import { leafHash } from './leaf-hash.ts';
import { createMerkleTree } from './merkle-tree.ts';
import type { SignerFiles } from './signer-files.ts';
import { verifyInclusion } from './verify-inclusion.ts';

/** That one record is in a signer's log, for somebody who has nothing but this and the ceremony's digest. */
export const RecordProof = Type.Object(
  {
    format: Type.Literal('holdfast/record-proof/v1'),
    seq: Type.Integer({ minimum: 1 }),
    /** The line of the journal. */
    record: Type.String({ minLength: 1, maxLength: 4_194_304 }),
    checkpoint: CheckpointLine,
    /** RFC 6962, 2.1.1, from the leaf to the root. */
    path: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), { maxItems: 64 }),
    /** Where the statement keys come from. */
    ceremony: CeremonyTranscript,
  },
  { additionalProperties: false },
);
export type RecordProof = Static<typeof RecordProof>;

const Proof = Compile(RecordProof);
const Transcript = Compile(CeremonyTranscript);

/** Proves a record by the newest checkpoint that covers it. @throws Failure not-found, audit-invalid */
export function proveRecord(files: SignerFiles, seq: number): RecordProof {
  const checkpoint = newestCheckpoint(files);
  if (checkpoint === null || checkpoint.checkpoint.size < seq) {
    throw new Failure('not-found', `no checkpoint of ${files.folder} covers record ${seq}`);
  }
  const { size, root } = checkpoint.checkpoint;
  const tree = createMerkleTree();
  let record = '';
  for (const line of files.journal) {
    tree.append(leafHash(utf8ToBytes(line)));
    if (tree.size() === seq) record = line;
    if (tree.size() === size) break;
  }
  if (tree.size() < size || bytesToHex(tree.rootAt(size)) !== root) {
    throw new Failure('audit-invalid', `the journal of ${files.folder} is not the one of its newest checkpoint`);
  }
  const ceremony: unknown = files.ceremony === null ? null : JSON.parse(files.ceremony);
  if (!Transcript.Check(ceremony)) throw new Failure('audit-invalid', `${files.folder} has no ceremony transcript`);
  const path = tree.inclusion(seq - 1, size).map(bytesToHex);
  return { format: 'holdfast/record-proof/v1', seq, record, checkpoint, path, ceremony };
}

/**
 * Checks a proof from anywhere.
 * @returns what it proves; `cosigners` saw the log grow. `ceremony` is worth what it was compared with.
 * @throws Failure audit-invalid with what does not hold.
 */
export function checkRecordProof(
  value: unknown,
  verifiers: Verifiers,
): { signer: string; size: number; cosigners: string[]; ceremony: string; record: unknown } {
  if (!Proof.Check(value)) throw new Failure('audit-invalid', 'it is no proof of a record');
  const { seq, record, checkpoint: line, path, ceremony } = value;
  const { checkpoint } = line;
  const digest = statementDigest('checkpoint', checkpoint);
  const check = (signer: string, signature: string): void => {
    const key = ceremony.signers.find((one) => one.signer === signer)?.statement_key;
    if (key === undefined || !verifiers.ed25519(hexToBytes(key), digest, signature)) {
      throw new Failure('audit-invalid', `the signature of ${signer} under the checkpoint does not hold`);
    }
  };
  check(checkpoint.signer, line.signature);
  for (const { signer, signature } of line.cosignatures) check(signer, signature);
  const cosigners = new Set(line.cosignatures.map(({ signer }) => signer));
  if (cosigners.has(checkpoint.signer) || cosigners.size !== line.cosignatures.length) {
    throw new Failure('audit-invalid', 'a signer cosigns twice, or itself');
  }
  const holds = verifyInclusion({
    leaf: leafHash(utf8ToBytes(record)),
    index: seq - 1,
    size: checkpoint.size,
    proof: path.map(hexToBytes),
    root: hexToBytes(checkpoint.root),
  });
  if (!holds) throw new Failure('audit-invalid', `record ${seq} is not in the log of the checkpoint`);
  return {
    signer: checkpoint.signer,
    size: checkpoint.size,
    cosigners: [...cosigners],
    ceremony: ceremonyDigest(ceremony),
    record: JSON.parse(record) as unknown,
  };
}

function newestCheckpoint(files: SignerFiles): CheckpointLine | null {
  let last: string | null = null;
  for (const line of files.checkpoints) last = line;
  return last === null ? null : parseCheckpointLine(last);
}
