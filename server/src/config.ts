import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { isDevelopmentNetwork } from '@holdfast/core/money/development-network.ts';
import type { BumpRule } from '@holdfast/core/withdrawals/fee-bump.ts';
import Type, { type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/** `config.json` of the server, one file, no reload. Adding a token or an EVM network is adding a row here. */
const strict = { additionalProperties: false } as const;
const Amount = Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' });
const Hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
const EvmAddress = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' });

/** What one asset costs and is limited to on one network; base units. */
const AssetRule = Type.Object(
  {
    asset: Type.String({ pattern: '^[A-Z0-9]{2,16}$' }),
    caip19: Type.String(),
    contract: Type.Union([EvmAddress, Type.Null()]),
    /** These three make the first version of the asset's terms, when the server starts on a database without one: changes
     * are new versions (docs/how-to/change-a-fee-rule.md). */
    withdrawal_fee: Amount,
    withdrawal_minimum: Amount,
    deposit_minimum: Type.Optional(Amount),
    per_withdrawal_max: Amount,
    /** Least that is worth the gas of collecting it from a forwarder (EVM). */
    sweep_minimum: Amount,
    /** A customer's withdrawals over the last 24 hours. */
    per_customer_day_max: Amount,
    /** A deposit waits for the confirmations of the first tier whose `below` exceeds its amount; the last has none. */
    confirmations: Type.Array(
      Type.Object(
        { below: Type.Union([Amount, Type.Null()]), confirmations: Type.Integer({ minimum: 1, maximum: 10_000 }) },
        strict,
      ),
      { minItems: 1 },
    ),
  },
  strict,
);
export type AssetRule = Static<typeof AssetRule>;

const common = {
  id: Type.String(),
  name: Type.String(),
  endpoints: Type.Array(Type.String(), { minItems: 1 }),
  /** So many endpoints must say the same, more than half of them; never fewer. Left out: the smallest majority. */
  agree: Type.Optional(Type.Integer({ minimum: 1 })),
  start_height: Type.Integer({ minimum: 0 }),
  poll_ms: Type.Integer({ minimum: 20 }),
  /** Blocks between two comparisons of the ledger with the chain. */
  reconcile_blocks: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Confirmations after which our own transaction is final and its holds are consumed. */
  final_confirmations: Type.Integer({ minimum: 1 }),
  batch_size_max: Type.Integer({ minimum: 1, maximum: 200 }),
  /** How long the first withdrawal of a batch waits for company. */
  batch_wait_ms: Type.Integer({ minimum: 0 }),
  /** When a transaction that no block takes is offered at a higher fee; both waits double with each time, up to eight times as much. */
  fee_bump: Type.Optional(
    Type.Object(
      {
        /** Blocks without it, and milliseconds, since it was offered last. */
        after_blocks: Type.Integer({ minimum: 1, maximum: 10_000 }),
        after_ms: Type.Integer({ minimum: 0 }),
        tries_max: Type.Integer({ minimum: 0, maximum: 50 }),
        /** By how much the fee rises at least. */
        percent: Type.Integer({ minimum: 13, maximum: 1_000 }),
      },
      strict,
    ),
  ),
  /** A withdrawal that waits longer, approvals apart, opens an alarm; half an hour when left out. */
  stuck_after_ms: Type.Optional(Type.Integer({ minimum: 1_000 })),
  assets: Type.Array(AssetRule, { minItems: 1 }),
};

const EvmNetwork = Type.Object(
  {
    ...common,
    family: Type.Literal('evm'),
    safe: EvmAddress,
    /** VaultGuard of the Safe; left out for a Safe without one. */
    guard: Type.Optional(EvmAddress),
    multi_send: EvmAddress,
    registry: EvmAddress,
    forwarder_factory: EvmAddress,
    forwarder_init_code_hash: Hex(32),
    /**
     * The nodes' own word for what counts for good, beside the depth: payments settle, and deposits of the last tier are credited,
     * only up to the block that a quorum calls so. Left out where a chain has no such tag: the depth alone counts.
     */
    finality_tag: Type.Optional(Type.Union([Type.Literal('safe'), Type.Literal('finalized')])),
    /** Wei; an estimate above it is not sent. */
    max_fee_per_gas: Amount,
    sweep_wait_ms: Type.Integer({ minimum: 0 }),
  },
  strict,
);
export type EvmNetwork = Static<typeof EvmNetwork>;

const BitcoinNetwork = Type.Object(
  {
    ...common,
    family: Type.Literal('bitcoin'),
    cold_keys: Type.Array(Hex(32), { minItems: 5, maxItems: 5 }),
    /** Pause between two looks at the nodes' mempools for payments that no block has; left out: nobody looks. */
    mempool_ms: Type.Optional(Type.Integer({ minimum: 20 })),
    /** Used where the node has no estimate; satoshi a virtual byte. */
    fee_rate_default: Type.Integer({ minimum: 1 }),
    fee_rate_max: Type.Integer({ minimum: 1 }),
    /** With more free coins than this the smallest become one, when fees are as low as the policy asks; left out: never. */
    consolidate_above: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  strict,
);
export type BitcoinNetwork = Static<typeof BitcoinNetwork>;
export type NetworkConfig = EvmNetwork | BitcoinNetwork;

/** Of the family, where the network names none: a Bitcoin block comes every ten minutes, others every few seconds. */
export function bumpRule({ family, fee_bump: own }: NetworkConfig): BumpRule {
  if (own)
    return { afterBlocks: own.after_blocks, afterMs: own.after_ms, triesMax: own.tries_max, percent: own.percent };
  const afterMs = family === 'bitcoin' ? 15 * 60_000 : 60_000;
  return { afterBlocks: 3, afterMs, triesMax: 10, percent: 25 };
}

/** How many endpoints of a network must say the same: 2 of 2, 2 of 3, 3 of 5, unless `agree` asks for more. */
export function quorumOf(network: Pick<NetworkConfig, 'agree' | 'endpoints'>): number {
  return network.agree ?? Math.floor(network.endpoints.length / 2) + 1;
}

/** Unless told otherwise: five minutes of Ethereum; a day of Bitcoin, where nodes read their whole set of unspent outputs. */
export function reconcileEvery(network: Pick<NetworkConfig, 'family' | 'reconcile_blocks'>): number {
  return network.reconcile_blocks ?? (network.family === 'evm' ? 25 : 144);
}

/** @throws Failure config-invalid. */
function assertQuorum(network: NetworkConfig, file: string): void {
  const { length } = network.endpoints;
  const quorum = quorumOf(network);
  if (new Set(network.endpoints).size < length)
    throw new Failure('config-invalid', `${file}: ${network.id} lists an endpoint twice; it counts once`);
  if (quorum > length || 2 * quorum <= length) {
    throw new Failure(
      'config-invalid',
      `${file}: ${network.id} asks for ${quorum} of ${length} endpoints; it takes more than half of them`,
    );
  }
}

export const ServerConfig = Type.Object(
  {
    /** Tells this server from others on the same database; host name and port when left out. One that is restarted keeps it. */
    name: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9._:-]{1,100}$' })),
    listen: Type.Object({ host: Type.String(), port: Type.Integer({ minimum: 0, maximum: 65_535 }) }, strict),
    signers: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          identifier: Type.Integer({ minimum: 1, maximum: 9 }),
          url: Type.String(),
          fingerprint: Hex(32),
          /** Ed25519 key of the signer's statements; addresses count by it. */
          statement_key: Hex(32),
        },
        strict,
      ),
      { minItems: 1 },
    ),
    quorum: Type.Integer({ minimum: 1 }),
    api_keys: Type.Array(
      Type.Object({ key_id: Type.String(), public_key: Hex(32), scopes: Type.Array(Type.String()) }, strict),
    ),
    /** The signed policy that the signers follow, for early refusals; a path from the data folder. */
    policy: Type.String({ minLength: 1, maxLength: 500 }),
    assets: Type.Array(
      Type.Object(
        {
          code: Type.String({ pattern: '^[A-Z0-9]{2,16}$' }),
          name: Type.String(),
          decimals: Type.Integer({ minimum: 0, maximum: 30 }),
        },
        strict,
      ),
    ),
    networks: Type.Array(Type.Union([EvmNetwork, BitcoinNetwork]), { minItems: 1 }),
    /** Whose ledger is the customers': `ledger` (when left out) this one, `custodian` the engine's. Set before the first customer. */
    mode: Type.Optional(Type.Union([Type.Literal('ledger'), Type.Literal('custodian')])),
    /** Of mode `custodian`. */
    engine: Type.Optional(
      Type.Object(
        {
          /** One of the policy's `engine_keys`. */
          key_id: Type.String({ minLength: 1, maxLength: 64 }),
          /** An alarm opens when an entry is unacknowledged for longer; 300 when left out. */
          silent_s: Type.Optional(Type.Integer({ minimum: 1 })),
          /** Pause between comparisons of ledger and chain; 300 when left out. */
          reconcile_s: Type.Optional(Type.Integer({ minimum: 1 })),
        },
        strict,
      ),
    ),
    /** Of the API; what is left out is as in docs/how-to/run-ha.md. */
    limits: Type.Optional(
      Type.Object(
        {
          in_flight_max: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
          per_key_per_s: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
          per_key_burst: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
        },
        strict,
      ),
    ),
    /** How long a quote holds; 60 when left out. */
    quote_valid_s: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600 })),
    webhooks: Type.Object({ allow_private: Type.Boolean() }, strict),
    /** Tests only: the name of the step at which the process kills itself. Refused off the development chains. */
    kill_at: Type.Optional(Type.String()),
    /**
     * Tests only: steps at which the process stops itself (SIGSTOP) until it is sent SIGCONT, once for each time that the step
     * is listed. Refused likewise.
     */
    pause_at: Type.Optional(Type.Array(Type.String())),
  },
  strict,
);
export type ServerConfig = Static<typeof ServerConfig>;

/** Parses a value against a schema. @throws Failure config-invalid naming the first wrong place. */
export function parseConfig<T extends TSchema>(schema: T, value: unknown, source: string): Static<T> {
  const check = Compile(schema);
  if (!check.Check(value)) {
    const first = check.Errors(value)[0];
    throw new Failure(
      'config-invalid',
      `${source}: ${first?.instancePath || '/'} ${first?.message ?? 'does not fit the schema'}`,
    );
  }
  return value;
}

/** Reads and checks `<dataDir>/config.json`. @throws Failure config-invalid. */
export function loadConfig(dataDir: string): ServerConfig {
  const file = join(dataDir, 'config.json');
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Failure('config-invalid', `${file} cannot be read as JSON`, { cause });
  }
  const config = parseConfig(ServerConfig, value, file);
  if ((config.mode === 'custodian') !== (config.engine !== undefined)) {
    throw new Failure('config-invalid', `${file}: mode custodian and engine belong together`);
  }
  const codes = new Set(config.assets.map((asset) => asset.code));
  for (const network of config.networks) {
    assertQuorum(network, file);
    for (const rule of network.assets) {
      if (!codes.has(rule.asset))
        throw new Failure('config-invalid', `${file}: ${network.id} lists ${rule.asset}, which /assets lacks`);
      if (rule.confirmations.at(-1)?.below !== null) {
        throw new Failure(
          'config-invalid',
          `${file}: the last confirmation tier of ${rule.asset} on ${network.id} must have "below": null`,
        );
      }
    }
    for (const key of ['kill_at', 'pause_at'] as const) {
      if (config[key] !== undefined && !isDevelopmentNetwork(network.id))
        throw new Failure('config-invalid', `${file}: ${key} is for the development chains, not ${network.id}`);
    }
  }
  return config;
}
