import Type, { type Static } from 'typebox';
import { statementDigestHex } from '../signing/statement.ts';
import { ContractKind } from './governance-calls.ts';

const strict = { additionalProperties: false } as const;
const EvmAddress = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' });
const Sats = Type.String({ pattern: '^[1-9][0-9]{0,15}$' });
/** A compressed point of secp256k1. */
const PublicKey = Type.String({ pattern: '^0[23][0-9a-f]{64}$' });

/** Signatures that move cold coins, of as many custodians. */
export const coldQuorum = 3;
export const custodianCount = 5;

/** What a custodian shows of keys that were born on a machine without a network, and never leave it. */
export const ColdCard = Type.Object(
  {
    version: Type.Literal(1),
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$' }),
    /** Of the P2WSH script, and x only of the leaf in every hot Bitcoin address. */
    bitcoin: PublicKey,
    /** Owner of the cold Safe. */
    evm: EvmAddress,
  },
  strict,
);
export type ColdCard = Static<typeof ColdCard>;

const { name, bitcoin, evm } = ColdCard.properties;
/** The hot wallet's FROST key, from which its addresses are derived. */
const FrostHot = Type.Object({ group_key: PublicKey, chain_code: Type.String({ pattern: '^[0-9a-f]{64}$' }) }, strict);
/** The signers' own keys, as the policy's `wallet` names them: refills have one address, and custodians no leaf. */
const MultisigHot = Type.Object(
  {
    kind: Type.Literal('wsh-sortedmulti'),
    threshold: Type.Integer({ minimum: 1, maximum: 9 }),
    keys: Type.Array(PublicKey, { minItems: 2, maxItems: 9 }),
  },
  strict,
);
const BitcoinSetup = Type.Object(
  {
    network: Type.String({ pattern: '^bip122:[0-9a-f]{32}$' }),
    /** P2WSH 3 of 5 of the custodians' keys; derived again by every machine. */
    cold_address: Type.String({ minLength: 1, maxLength: 90 }),
    hot: Type.Union([FrostHot, MultisigHot]),
    /** Of one transaction, whatever its size. */
    fee_max_sats: Sats,
    /** Of one transaction by its size. */
    fee_rate_max_sat_vb: Type.Integer({ minimum: 1, maximum: 10_000 }),
  },
  strict,
);

const EvmSetup = Type.Object(
  {
    network: Type.String({ pattern: '^eip155:[1-9][0-9]{0,31}$' }),
    /** The code of the native coin. */
    coin: Type.String({ pattern: '^[A-Z0-9]{1,12}$' }),
    cold_safe: EvmAddress,
    hot_safe: EvmAddress,
    tokens: Type.Array(
      Type.Object(
        {
          contract: EvmAddress,
          code: Type.String({ pattern: '^[A-Z0-9]{1,12}$' }),
          decimals: Type.Integer({ minimum: 0, maximum: 77 }),
        },
        strict,
      ),
      { maxItems: 256 },
    ),
    /** What the cold Safe governs, by itself or through the timelock. */
    contracts: Type.Array(Type.Object({ kind: ContractKind, address: EvmAddress }, strict), { maxItems: 32 }),
  },
  strict,
);

/**
 * What the custodians' ceremony fixes: who they are, where cold coins lie and where they may go. Its digest is compared out of
 * band and pinned on every machine; a request names it.
 */
export const ColdSetup = Type.Object(
  {
    version: Type.Literal(1),
    custodians: Type.Array(Type.Object({ name, bitcoin, evm }, strict), {
      minItems: custodianCount,
      maxItems: custodianCount,
    }),
    bitcoin: Type.Union([BitcoinSetup, Type.Null()]),
    evm: Type.Array(EvmSetup, { maxItems: 32 }),
  },
  strict,
);
export type ColdSetup = Static<typeof ColdSetup>;
export type BitcoinSetup = Static<typeof BitcoinSetup>;
export type EvmSetup = Static<typeof EvmSetup>;

/** The setup without what follows from the custodians' cards; a person writes it. */
export const ColdSetupDraft = Type.Object(
  {
    bitcoin: Type.Union([
      Type.Object(
        {
          network: BitcoinSetup.properties.network,
          hot: BitcoinSetup.properties.hot,
          fee_max_sats: Sats,
          fee_rate_max_sat_vb: BitcoinSetup.properties.fee_rate_max_sat_vb,
        },
        strict,
      ),
      Type.Null(),
    ]),
    evm: ColdSetup.properties.evm,
  },
  strict,
);
export type ColdSetupDraft = Static<typeof ColdSetupDraft>;

/** The setup's name, 64 hex digits. */
export function setupDigest(setup: ColdSetup): string {
  return statementDigestHex('cold-setup', setup);
}
