import Type, { type Static } from 'typebox';
import { CalledKind } from './governance-calls.ts';

const strict = { additionalProperties: false } as const;
const Amount = Type.String({ pattern: '^[1-9][0-9]{0,77}$' });
const Nonce = Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' });
const BitcoinNetwork = Type.String({ pattern: '^bip122:[0-9a-f]{32}$' });
const EvmNetwork = Type.String({ pattern: '^eip155:[1-9][0-9]{0,31}$' });
const Index = Type.Integer({ minimum: 0, maximum: 0x7fff_ffff });
const coin = {
  /** The whole transaction that made the coin, as `getrawtransaction` gives it. */
  raw: Type.String({ pattern: '^([0-9a-f]{2})+$', maxLength: 8_000_000 }),
  vout: Type.Integer({ minimum: 0, maximum: 0xffff_fffe }),
};
/** What the transaction pays the miners. */
const FeeRate = Type.Integer({ minimum: 1, maximum: 10_000 });

/** What the online side knows and a request is made of. */
export const BitcoinRefillDraft = Type.Object(
  {
    network: BitcoinNetwork,
    /** Coins of the cold wallet; all of them are spent. */
    coins: Type.Array(Type.Object(coin, strict), { minItems: 1, maxItems: 500 }),
    amount_sats: Amount,
    /** On branch 1 of the hot wallet: a fresh address of its own. */
    hot_index: Index,
    fee_rate_sat_vb: FeeRate,
  },
  strict,
);
export type BitcoinRefillDraft = Static<typeof BitcoinRefillDraft>;

export const BitcoinRecoveryDraft = Type.Object(
  {
    network: BitcoinNetwork,
    /** Coins at hot addresses, with branch and index of each. */
    coins: Type.Array(
      Type.Object({ ...coin, path: Type.Tuple([Type.Union([Type.Literal(0), Type.Literal(1)]), Index]) }, strict),
      { minItems: 1, maxItems: 500 },
    ),
    fee_rate_sat_vb: FeeRate,
  },
  strict,
);
export type BitcoinRecoveryDraft = Static<typeof BitcoinRecoveryDraft>;

export const SafeRefillDraft = Type.Object(
  {
    network: EvmNetwork,
    /** The code of the native coin or of a token of the setup. */
    asset: Type.String({ minLength: 1, maxLength: 12 }),
    amount: Amount,
    /** Of the cold Safe. */
    nonce: Nonce,
  },
  strict,
);
export type SafeRefillDraft = Static<typeof SafeRefillDraft>;

const salt = { salt: Type.String({ pattern: '^[0-9a-f]{64}$' }) };

export const GovernanceDraft = Type.Object(
  {
    network: EvmNetwork,
    nonce: Nonce,
    /** What is to be called; nothing for a cancellation. */
    call: Type.Union([
      Type.Object(
        {
          contract: CalledKind,
          name: Type.String({ minLength: 1, maxLength: 64 }),
          /** In the order of the function's arguments. */
          values: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 8 }),
        },
        strict,
      ),
      Type.Null(),
    ]),
    /** By which operation of the timelock; null for a call of the cold Safe itself. */
    timelock: Type.Union([
      Type.Object({ action: Type.Literal('schedule'), delay_s: Nonce, ...salt }, strict),
      Type.Object({ action: Type.Literal('execute'), ...salt }, strict),
      Type.Object({ action: Type.Literal('cancel'), operation: Type.String({ pattern: '^0x[0-9a-f]{64}$' }) }, strict),
      Type.Null(),
    ]),
  },
  strict,
);
export type GovernanceDraft = Static<typeof GovernanceDraft>;
