import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, createClient } from '@holdfast/client/create-client.ts';
import { ed25519PrivateKey } from '@holdfast/client/keys.ts';
import type { System } from '../support/system.ts';

/** A key of the API, and nothing else of the exchange's. */
export interface ApiSeed {
  readonly keyId: string;
  /** 32 bytes, hex. */
  readonly seed: string;
}

/** The integrator's own key of the API, with every scope. It signs requests; what signers ask for is signed by another. */
export function stolenApiSeed(system: System): ApiSeed {
  return { keyId: 'integrator-api', seed: readFileSync(join(system.folder, 'cli', 'api.key'), 'utf8').trim() };
}

export function apiSeed(keyId: string): ApiSeed {
  return { keyId, seed: randomBytes(32).toString('hex') };
}

/** As the server's configuration lists it. */
export function apiKeyOf({ keyId, seed }: ApiSeed, scopes: readonly string[]): object {
  const { x } = ed25519PrivateKey(seed).export({ format: 'jwk' });
  return { key_id: keyId, public_key: Buffer.from(x!, 'base64url').toString('hex'), scopes };
}

/** @param through in place of the network: what a thief keeps of a request, or changes in it. */
export function clientOf(system: System, { keyId, seed }: ApiSeed, through?: typeof fetch): Client {
  return createClient({ baseUrl: system.apiUrl(), keyId, privateKey: seed, ...(through && { fetch: through }) });
}
