import Type, { type Static } from 'typebox';

/** RFC 9457 problem details, the body of every error; `application/problem+json`. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'URI reference of the documentation of the code' }),
    title: Type.String({ description: 'What to do about this code' }),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; a row of the error table' }),
    detail: Type.String({ description: 'This occurrence, naming the offending values' }),
    request_id: Type.String(),
    retryable: Type.Boolean({ description: 'Whether the same request may succeed later' }),
    errors: Type.Array(
      Type.Object({ pointer: Type.String({ description: 'JSON pointer, RFC 6901' }), detail: Type.String() }),
    ),
  },
  { title: 'Problem' },
);
export type Problem = Static<typeof Problem>;
