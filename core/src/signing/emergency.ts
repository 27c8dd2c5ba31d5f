import Type, { type Static } from 'typebox';
import { EvmAddress, strict } from './message-parts.ts';

/** At most so many operations or tokens in one authorisation: more gas than a block has helps nobody. */
export const emergencyItemsMax = 256;

/** What one signer's emergency key may do alone, as a file or a message: anybody may relay it (EmergencyDesk.sol). */
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

/** How many operations a signer shows. */
export const governanceMax = 64;

export const GovernanceOperation = Type.Object(
  {
    /** CAIP-2. */
    network: Type.String({ maxLength: 64 }),
    /** Id at the time lock. */
    operation: Type.String({ pattern: '^0x[0-9a-f]{64}$' }),
    /** What each call would change, for people. */
    calls: Type.Array(Type.String({ maxLength: 1_000 }), { maxItems: 32 }),
    /** From then on anybody may have it executed, by the chain's clock. */
    ready_at_ms: Type.Integer(),
  },
  strict,
);
export type GovernanceOperation = Static<typeof GovernanceOperation>;
