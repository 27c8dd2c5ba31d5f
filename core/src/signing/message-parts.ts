import Type from 'typebox';

/** Shapes that several messages of the signers are made of. */
export const strict = { additionalProperties: false } as const;
export const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
export const Decimal = Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' });
export const Network = Type.String({ maxLength: 64 });
export const EvmAddress = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' });
export const EvmBytes = Type.String({ pattern: '^0x([0-9a-f]{2})*$', maxLength: 600_000 });

export const Empty = Type.Object({}, strict);

export const PolicyName = Type.Object({ version: Type.Integer(), digest: hex(32) }, strict);
export const Head = Type.Object({ seq: Type.Integer({ minimum: 0 }), hash: hex(32) }, strict);
