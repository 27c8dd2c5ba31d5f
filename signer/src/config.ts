import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import Type, { type Static } from 'typebox';
import { parseValue } from './parse.ts';

/**
 * `config.json` of a signer: who it and its peers are, and where its own nodes listen. What it may sign is in the signed policy
 * (core/src/policy/policy.ts), never here. Unknown fields are refused.
 */
const strict = { additionalProperties: false } as const;
const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
const EvmAddress = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' });
const SignerId = Type.String({ pattern: '^[a-z0-9-]{1,32}$' });
const Identifier = Type.Integer({ minimum: 1, maximum: 9 });
const Url = Type.String({ pattern: '^https?://', maxLength: 300 });
/** As long as the header of a sealed file takes it. */
const AbsolutePath = Type.String({ pattern: '^/', maxLength: 256 });
/** Printable ASCII, at most the 32 bytes that PKCS#11 has for a token's label. */
const TokenName = Type.String({ pattern: '^[!-~]([ -~]{0,30}[!-~])?$' });

/** Where the owner key and the key that wraps all other secrets are (docs/how-to/use-an-hsm.md). */
const Pkcs11Config = Type.Object(
  {
    /** The HSM maker's PKCS#11 library. */
    module: AbsolutePath,
    /** Label or serial number of the token. */
    token: TokenName,
    /** Holds the user PIN and nothing else. */
    pin_file: AbsolutePath,
    /** Under which both keys of this signer are on the token. */
    key_label: TokenName,
  },
  strict,
);
export type Pkcs11Config = Static<typeof Pkcs11Config>;

export const SignerConfig = Type.Object(
  {
    signer: SignerId,
    /** FROST identifier; the lowest of all signers starts key generations. */
    identifier: Identifier,
    /** Signers that must take part in a Bitcoin signature. */
    quorum: Type.Optional(Type.Integer({ minimum: 2, maximum: 9 })),
    listen: Type.Object(
      { host: Type.String({ maxLength: 100 }), port: Type.Integer({ minimum: 1, maximum: 65_535 }) },
      strict,
    ),
    /** Without it the keys are in software. */
    pkcs11: Type.Optional(Pkcs11Config),
    /** SHA-256 of the server's certificate. */
    server: Type.Object({ fingerprint: hex(32) }, strict),
    /** All other signers. */
    peers: Type.Array(
      Type.Object(
        {
          signer: SignerId,
          identifier: Identifier,
          url: Type.String({ pattern: '^https://', maxLength: 300 }),
          fingerprint: hex(32),
          /** PEM; informative, only the fingerprint is trusted. */
          certificate: Type.Optional(Type.String({ maxLength: 4_000 })),
          /** Of its card; the ceremony compares them. */
          owner_address: EvmAddress,
          /** Informative: the address is its hash. */
          owner_key: Type.Optional(Type.String({ pattern: '^0[23][0-9a-f]{64}$' })),
          statement_key: hex(32),
          /** Of its card; informative: the policy lists the emergency keys that count. */
          emergency_address: Type.Optional(EvmAddress),
        },
        strict,
      ),
      { minItems: 1, maxItems: 8 },
    ),
    networks: Type.Array(
      Type.Object(
        {
          /** CAIP-2. */
          network: Type.String({ minLength: 1, maxLength: 64 }),
          /** This signer's own nodes, no two the same; all of them must agree. */
          rpc_urls: Type.Array(Url, { minItems: 1, maxItems: 9 }),
        },
        strict,
      ),
      { minItems: 1, maxItems: 64 },
    ),
  },
  strict,
);
export type SignerConfig = Static<typeof SignerConfig>;
/** A network that this signer serves, with its own nodes there. */
export type NetworkConfig = SignerConfig['networks'][number];

/** Quorum when the config names none. */
export const quorumDefault = 2;

/** Below the data folder. */
export const configName = 'config.json';

/** Reads and checks `<dataDir>/config.json`. @throws Failure config-invalid naming the place. */
export function loadConfig(dataDir: string): SignerConfig {
  const path = join(dataDir, configName);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Failure('config-invalid', `${path} cannot be read as JSON`, { cause });
  }
  return checkConfig(parseValue(SignerConfig, value, 'config-invalid', path));
}

/** What a schema cannot say: nothing is named twice, and any two quorums share a signer. */
export function checkConfig(config: SignerConfig): SignerConfig {
  const others = config.peers;
  refuseTwice('identifier', [config.identifier, ...others.map((peer) => peer.identifier)]);
  refuseTwice('signer', [config.signer, ...others.map((peer) => peer.signer)]);
  refuseTwice('fingerprint', [config.server.fingerprint, ...others.map((peer) => peer.fingerprint)]);
  refuseTwice(
    'owner address',
    others.map((peer) => peer.owner_address.toLowerCase()),
  );
  refuseTwice(
    'statement key',
    others.map((peer) => peer.statement_key),
  );
  refuseTwice(
    'network',
    config.networks.map((network) => network.network),
  );
  for (const { rpc_urls: urls } of config.networks) refuseTwice('endpoint', urls.map(endpointOf));
  const count = others.length + 1;
  const quorum = config.quorum ?? quorumDefault;
  if (quorum > count || 2 * quorum <= count) {
    throw new Failure('config-invalid', `quorum ${quorum} of ${count}: two quorums must share a signer`);
  }
  return config;
}

/** Where a URL leads, without the credentials that would make one node look like two. */
function endpointOf(url: string): string {
  if (!URL.canParse(url)) throw new Failure('config-invalid', 'an rpc url is no URL');
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}${pathname}${search}`;
}

function refuseTwice(what: string, values: readonly (string | number)[]): void {
  const twice = values.find((value, at) => values.indexOf(value) !== at);
  if (twice !== undefined) throw new Failure('config-invalid', `${what} ${twice} is there twice`);
}

/** Checks what `init` is told of an HSM, as config.json will say it. @throws Failure config-invalid. */
export function checkPkcs11(value: unknown): Pkcs11Config {
  return parseValue(Pkcs11Config, value, 'config-invalid', 'the HSM');
}

/** The passphrase, from the file that HOLDFAST_PASSPHRASE_FILE names. @throws Failure config-invalid. */
export function readPassphrase(env: NodeJS.ProcessEnv): Uint8Array {
  const path = env['HOLDFAST_PASSPHRASE_FILE'];
  if (path === undefined) throw new Failure('config-invalid', 'HOLDFAST_PASSPHRASE_FILE is not set');
  return readSecretFile(path);
}

/** The user PIN of a token. @throws Failure config-invalid. */
export function readPin({ pin_file: path }: Pick<Pkcs11Config, 'pin_file'>): string {
  return Buffer.from(readSecretFile(path)).toString('utf8');
}

/** A final newline is not part of the secret. */
function readSecretFile(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    const length = bytes.at(-1) === 0x0a ? bytes.length - 1 : bytes.length;
    if (length === 0) throw new Failure('config-invalid', `${path} is empty`);
    return bytes.subarray(0, length);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('config-invalid', `${path} cannot be read`, { cause });
  }
}
