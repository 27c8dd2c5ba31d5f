import Type, { type Static } from 'typebox';
import { BuildName } from '../signing/named-build.ts';
import { CredentialId, CredentialKey, KeySignature } from '../signing/evidence.ts';
import { statementDigestHex } from '../signing/statement.ts';

/**
 * The one document that says what signers may sign: RFC 8785 JSON, signed by a quorum of administrators, held by every
 * signer in its own storage. Amounts are base units in decimal, times seconds. `holdfast policy lint` explains mistakes.
 */
const strict = { additionalProperties: false } as const;
const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
const Amount = Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' });
const EvmAddress = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' });
const Id = Type.String({ pattern: '^[a-zA-Z0-9._-]{1,64}$' });
const Seconds = Type.Integer({ minimum: 0, maximum: 366 * 86_400 });
const Count = Type.Integer({ minimum: 0, maximum: 16 });

const Limits = Type.Object(
  {
    /** Of one payment (one intent). */
    per_transaction_max: Amount,
    /** Over any 60 minutes. */
    per_hour_max: Amount,
    /** Over any 24 hours. */
    per_day_max: Amount,
  },
  strict,
);
export type Limits = Static<typeof Limits>;

/** Payments of more than `above` need so many approvals, `offline` of them by approvers with the offline client. */
const ApprovalTier = Type.Object({ above: Amount, approvals: Count, offline: Count }, strict);
export type ApprovalTier = Static<typeof ApprovalTier>;

const BasisPoints = Type.Integer({ minimum: 0, maximum: 10_000 });

/** How much of an asset is hot; basis points of what customers are owed of it over all networks. */
const HotRule = Type.Object(
  {
    /** With less, beside what the queue needs, custodians are asked for a refill. */
    floor_bps: BasisPoints,
    /** What a skim leaves, and a refill fills up to. */
    target_bps: BasisPoints,
    /** With more, the rest above the target goes to sealed cold addresses. */
    ceiling_bps: BasisPoints,
    /** A skim takes no less. It pays nobody, so it has to move more than it costs. */
    skim_min: Amount,
    /** Over any 24 hours. */
    skims_per_day_max: Type.Integer({ minimum: 1, maximum: 1_000 }),
  },
  strict,
);
export type HotRule = Static<typeof HotRule>;

const assetFields = {
  /** CAIP-19. */
  asset: Type.String({ minLength: 1, maxLength: 160 }),
  /** The exchange's name for it, the same on every network: customers' positions are kept by it. */
  code: Type.String({ pattern: '^[A-Z0-9]{2,16}$' }),
  /** All payments together; alone enough only for those that the customer's own passkey authorised. */
  limits: Limits,
  /** The tighter class: payments that only an integrator's key authorised. They count towards `limits` too. */
  integrator_limits: Limits,
  /**
   * What may leave in 24 hours while a signer cannot be asked for its reservation, fees of the network included. Of n signers with quorum q each lets out
   * one part in n - q + 1 of it, so that signers that are cut off from each other do not add up to more.
   */
  degraded_per_day_max: Amount,
  /** From low to high. */
  approval_tiers: Type.Array(ApprovalTier, { maxItems: 8 }),
  /** Between hot and cold; left out: the signers let nothing be skimmed. */
  hot: Type.Optional(HotRule),
} as const;

const networkFields = {
  /** CAIP-2. */
  network: Type.String({ minLength: 1, maxLength: 64 }),
  /** How many of a signer's own nodes may lie (k): a signer with fewer than k + 1 endpoints refuses. */
  node_faults: Type.Integer({ minimum: 0, maximum: 8 }),
  /** Depth below which a block counts as final. */
  finality_blocks: Type.Integer({ minimum: 1, maximum: 10_000 }),
  /** With a newest block older than this nothing is signed: the clock runs ahead, or the nodes are stuck. */
  block_age_s_max: Type.Integer({ minimum: 60, maximum: 366 * 86_400 }),
  /** With fewer endpoints than this no earlier transaction is ever taken for dead. */
  burial_endpoints_min: Type.Integer({ minimum: 2, maximum: 9 }),
  /** Depth from which a deposit counts towards its customer's position. */
  deposit_confirmations: Type.Integer({ minimum: 1, maximum: 10_000 }),
} as const;

export const EvmNetworkPolicy = Type.Object(
  {
    ...networkFields,
    network: Type.String({ pattern: '^eip155:[1-9][0-9]{0,31}$' }),
    family: Type.Literal('evm'),
    safe: EvmAddress,
    /** What the Safe's storage must say at every block; zero address for none. */
    safe_singleton: EvmAddress,
    safe_owners: Type.Array(EvmAddress, { minItems: 1, maxItems: 9 }),
    safe_threshold: Type.Integer({ minimum: 1, maximum: 9 }),
    safe_guard: EvmAddress,
    safe_handler: EvmAddress,
    safe_modules: Type.Array(EvmAddress, { maxItems: 9 }),
    /** EmergencyDesk and VaultTimelock of the vault, both modules of the Safe, and the signers' keys at the desk. */
    emergency: Type.Optional(
      Type.Object(
        { desk: EvmAddress, timelock: EvmAddress, keys: Type.Array(EvmAddress, { minItems: 1, maxItems: 9 }) },
        strict,
      ),
    ),
    multi_send: EvmAddress,
    forwarder_factory: EvmAddress,
    forwarder_init_code_hash: hex(32),
    registry: EvmAddress,
    /** Sealed: where an evacuation may go. */
    cold_addresses: Type.Array(EvmAddress, { minItems: 1, maxItems: 8 }),
    assets: Type.Array(Type.Object({ ...assetFields, contract: Type.Union([EvmAddress, Type.Null()]) }, strict), {
      minItems: 1,
      maxItems: 256,
    }),
    /** What the Safe may call besides paying: a contract and the selector of its function. */
    allowed_calls: Type.Array(
      Type.Object({ contract: EvmAddress, selector: Type.String({ pattern: '^0x[0-9a-f]{8}$' }) }, strict),
      { maxItems: 512 },
    ),
  },
  strict,
);
export type EvmNetworkPolicy = Static<typeof EvmNetworkPolicy>;

/** `wsh(sortedmulti(threshold, keys...))`, for keys that stay in HSMs. */
const MultisigWalletPolicy = Type.Object(
  {
    kind: Type.Literal('wsh-sortedmulti'),
    /** Signatures that spend: the quorum of the ceremony. */
    threshold: Type.Integer({ minimum: 1, maximum: 9 }),
    /** The signers' owner keys, compressed, as their cards have them; in any order. */
    keys: Type.Array(Type.String({ pattern: '^0[23][0-9a-f]{64}$' }), { minItems: 2, maxItems: 9 }),
    /** Random: keeps which index a deposit address has from whoever looks at the chain. It protects no funds. */
    chain_code: hex(32),
  },
  strict,
);
export type MultisigWalletPolicy = Static<typeof MultisigWalletPolicy>;

export const BitcoinNetworkPolicy = Type.Object(
  {
    ...networkFields,
    network: Type.String({ pattern: '^bip122:[0-9a-f]{32}$' }),
    family: Type.Literal('bitcoin'),
    /**
     * Orders keys of this epoch: the signers make them together when theirs are of the epoch before, and from then on pay from
     * the new ones only. 1 when left out; any other number orders nothing.
     */
    key_epoch: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    /** Kind of the hot wallet. Missing: P2TR under a FROST key, which the signers make together. */
    wallet: Type.Optional(MultisigWalletPolicy),
    /** The custodians' keys, x only, for the leaf of every address. */
    cold_keys: Type.Array(hex(32), { minItems: 5, maxItems: 5 }),
    /** Sealed: where an evacuation may go. */
    cold_addresses: Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { minItems: 1, maxItems: 8 }),
    ...assetFields,
    /** A fee rate above this many hundredths of the signer's own estimate is refused: 300 is three times. */
    fee_rate_percent_max: Type.Integer({ minimum: 100, maximum: 10_000 }),
    /** The estimate where the signer's nodes have none, sat/vB. */
    fee_rate_fallback_sat_vb: Type.Integer({ minimum: 1, maximum: 100_000 }),
    /** Whatever the estimate says. */
    fee_rate_max_sat_vb: Type.Integer({ minimum: 1, maximum: 100_000 }),
    /** Of one transaction. */
    fee_max_sats: Amount,
    /** Of all payments over any 24 hours, replaced ones too. */
    fee_per_day_max_sats: Amount,
    /** Of evacuations over any 24 hours: what a halted signer may spend. */
    evacuation_fee_per_day_max_sats: Amount,
    /** When many small coins may become one; left out: never. It pays nobody, so it has to save more than it costs. */
    consolidation: Type.Optional(
      Type.Object(
        {
          /** Coins that become one, at least. */
          inputs_min: Type.Integer({ minimum: 2, maximum: 1_000 }),
          /** sat/vB. What it saves is the same inputs at a higher rate later. */
          fee_rate_max_sat_vb: Type.Integer({ minimum: 1, maximum: 100_000 }),
        },
        strict,
      ),
    ),
    /** Of the coins that are spent. */
    min_confirmations: Type.Integer({ minimum: 1, maximum: 1_000 }),
    /** Least work of a block whose transactions count: its target in compact form (`bits`) may not be easier. */
    easiest_bits: hex(4),
  },
  strict,
);
export type BitcoinNetworkPolicy = Static<typeof BitcoinNetworkPolicy>;

const PinnedKey = Type.Object({ key_id: Id, public_key: hex(32) }, strict);
const Credential = Type.Object({ id: Id, credential_id: CredentialId, public_key: CredentialKey }, strict);
/** A relying party of WebAuthn: what an assertion must have been made for. */
const RelyingParty = Type.Object(
  {
    rp_id: Type.String({ pattern: '^[a-z0-9.-]{1,253}$' }),
    origins: Type.Array(Type.String({ pattern: '^https?://[^/]{1,300}$' }), { minItems: 1, maxItems: 8 }),
  },
  strict,
);
export type RelyingParty = Static<typeof RelyingParty>;

export const Policy = Type.Object(
  {
    format: Type.Literal('holdfast/policy/v1'),
    /** 1, 2, 3, ...; a signer never goes back. */
    version: Type.Integer({ minimum: 1 }),
    /** Digest of the version before; null for the first. */
    previous: Type.Union([hex(32), Type.Null()]),
    administrators: Type.Object(
      { quorum: Type.Integer({ minimum: 1, maximum: 16 }), keys: Type.Array(PinnedKey, { minItems: 1, maxItems: 16 }) },
      strict,
    ),
    /** From a version's arrival at a signer to its taking effect there. */
    delays: Type.Object({ tighten_s: Seconds, loosen_s: Seconds }, strict),
    /** Customers' passkeys sign in and authorise; approval credentials have an rp_id of their own and never sign in. */
    webauthn: Type.Object({ customers: RelyingParty, approvals: RelyingParty }, strict),
    approvers: Type.Array(Type.Object({ ...Credential.properties, offline: Type.Boolean() }, strict), { maxItems: 64 }),
    /** Operators who may halt. */
    operators: Type.Array(Credential, { maxItems: 64 }),
    /** Watchers, and whoever signs halt tokens in advance. */
    halt_keys: Type.Array(PinnedKey, { maxItems: 64 }),
    /** Approvals that lift a halt. */
    resume: Type.Object({ approvals: Type.Integer({ minimum: 1, maximum: 16 }) }, strict),
    integrator_keys: Type.Array(
      Type.Object(
        {
          ...PinnedKey.properties,
          /** Withdrawals of the tighter class; customers' first credentials; destinations. */
          may: Type.Array(
            Type.Union([Type.Literal('withdraw'), Type.Literal('enrol'), Type.Literal('add-destination')]),
            { minItems: 1, maxItems: 3 },
          ),
        },
        strict,
      ),
      { maxItems: 16 },
    ),
    /** The trading engine: settlements. */
    engine_keys: Type.Array(PinnedKey, { maxItems: 16 }),
    /** An intent that expires later than this from now is refused. */
    intent_s_max: Type.Integer({ minimum: 60, maximum: 366 * 86_400 }),
    /** From the arrival of an address-book entry to the first payment there; 0: no entry is needed. */
    destinations: Type.Object({ delay_s: Seconds }, strict),
    /** A first one, on the integrator's word, counts after `delays.loosen_s` where that is longer. */
    credentials: Type.Object(
      { delay_s: Seconds, changes_per_day_max: Type.Integer({ minimum: 1, maximum: 10_000_000 }) },
      strict,
    ),
    /** Approvals for a payment above the customer's proven position, and for an adjustment; 0: positions are not asked for. */
    positions: Type.Object(
      {
        approvals: Count,
        /** A payment takes the customer's fee from the position as well. Set it when every signer's build knows it; missing: no. */
        count_fees: Type.Optional(Type.Boolean()),
      },
      strict,
    ),
    /** Builds of the signer that may sign, and how long after its listing a new one may not. */
    builds: Type.Object(
      {
        permitted: Type.Array(BuildName, { minItems: 1, maxItems: 16 }),
        soak_s: Seconds,
      },
      strict,
    ),
    networks: Type.Array(Type.Union([EvmNetworkPolicy, BitcoinNetworkPolicy]), { minItems: 1, maxItems: 64 }),
  },
  strict,
);
export type Policy = Static<typeof Policy>;
export type NetworkPolicy = Policy['networks'][number];

/** A version with its administrators' signatures over `policyDigest`. */
export const SignedPolicy = Type.Object(
  { policy: Policy, signatures: Type.Array(KeySignature, { minItems: 1, maxItems: 16 }) },
  strict,
);
export type SignedPolicy = Static<typeof SignedPolicy>;

/** The version's name everywhere: 64 hex digits. */
export function policyDigest(policy: Policy): string {
  return statementDigestHex('policy', policy);
}
