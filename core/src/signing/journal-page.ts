import Type, { type Static } from 'typebox';
import { hex, strict } from './message-parts.ts';

/**
 * For lines of a signer's journal: the answering signer's own, which the caller keeps a copy of, or the caller's, from the
 * copy that the answering signer keeps of it.
 */
export const JournalAsked = Type.Object(
  { signer: Type.String({ maxLength: 64 }), after: Type.Integer({ minimum: 0 }) },
  strict,
);

/** What follows record `after`, as much as fits into a message. */
export const JournalPage = Type.Object(
  {
    lines: Type.Array(Type.String()),
    /**
     * A head by the signer whose journal it is, Ed25519 over `HeadStatement`: of its own the last line of this answer, of a
     * copy the copy's last; null without a line.
     */
    signed: Type.Union([
      Type.Null(),
      Type.Object(
        { head: Type.Object({ seq: Type.Integer({ minimum: 0 }), hash: hex(32) }, strict), signature: hex(64) },
        strict,
      ),
    ]),
  },
  strict,
);
export type JournalPage = Static<typeof JournalPage>;
