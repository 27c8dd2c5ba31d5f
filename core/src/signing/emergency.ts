import Type, { type Static } from 'typebox';

/** What one signer's emergency key may do alone, as a file or a message: anybody may relay it (EmergencyDesk.sol). */
const strict = { additionalProperties: false } as const;
const EvmAddress = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' });
/** At most so many operations or tokens in one authorisation: more gas than a block has helps nobody. */
export const emergencyItemsMax = 256;

export const EmergencyAct = Type.Union([
  Type.Object({ kind: Type.Literal('pause') }, strict),
  Type.Object(
    {
      kind: Type.Literal('veto'),
      /** Ids at the time lock. */
      operations: Type.Array(Type.String({ pattern: '^0x[0-9a-f]{64}$' }), {
        minItems: 1,
        maxItems: emergencyItemsMax,
      }),
    },
    strict,
  ),
  Type.Object(
    {
      kind: Type.Literal('evacuate'),
      /** Contracts; the native coin goes in any case. */
      tokens: Type.Array(EvmAddress, { maxItems: emergencyItemsMax }),
    },
    strict,
  ),
]);
export type EmergencyAct = Static<typeof EmergencyAct>;

export const EmergencyAuthorisation = Type.Object(
  {
    version: Type.Literal(1),
    /** CAIP-2. */
    network: Type.String({ pattern: '^eip155:[1-9][0-9]{0,31}$' }),
    desk: EvmAddress,
    act: EmergencyAct,
    /** 256 bits, decimal: of one key each counts once. */
    nonce: Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' }),
    /** Unix time, seconds: void afterwards. */
    deadline_s: Type.Integer({ minimum: 1 }),
    /** EIP-55, of the emergency key. */
    key: EvmAddress,
    /** 65 bytes r s v, v 27 or 28, over the EIP-712 hash. */
    signature: Type.String({ pattern: '^[0-9a-f]{130}$' }),
    /** What a transaction to the desk has to carry, by whoever pays its gas. */
    calldata: Type.String({ pattern: '^0x([0-9a-f]{2})*$', maxLength: 40_000 }),
  },
  strict,
);
export type EmergencyAuthorisation = Static<typeof EmergencyAuthorisation>;
