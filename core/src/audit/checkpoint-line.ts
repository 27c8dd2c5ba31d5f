import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { Failure } from '../failure.ts';
import { canonicalJson } from '../signing/intent.ts';
import { Checkpoint } from '../signing/messages.ts';

const strict = { additionalProperties: false } as const;
const Signature = Type.String({ pattern: '^[0-9a-f]{128}$' });

/** A line of checkpoints.jsonl, RFC 8785 JSON: a tree head with its signer's signature and those of the peers that saw the log grow. */
export const CheckpointLine = Type.Object(
  {
    checkpoint: Checkpoint,
    /** Ed25519 over `statementDigest('checkpoint', checkpoint)`. */
    signature: Signature,
    cosignatures: Type.Array(
      Type.Object({ signer: Type.String({ minLength: 1, maxLength: 64 }), signature: Signature }, strict),
      { maxItems: 16 },
    ),
  },
  strict,
);
export type CheckpointLine = Static<typeof CheckpointLine>;

const Line = Compile(CheckpointLine);

/** Reads a line without its newline. @throws Failure audit-invalid */
export function parseCheckpointLine(text: string): CheckpointLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Failure('audit-invalid', 'the checkpoint is not JSON', { cause });
  }
  if (!Line.Check(value) || canonicalJson(value) !== text) {
    throw new Failure('audit-invalid', 'the checkpoint does not fit its schema');
  }
  return value;
}
