import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type Client, createClient } from '@holdfast/client/create-client.ts';
import { ed25519PrivateKey } from '@holdfast/client/keys.ts';
import { signRequest } from '@holdfast/client/sign-request.ts';
import { scopes } from '@holdfast/core/contract/route.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { ApiKey } from '@holdfast/server/http/authenticate.ts';
import { buildHttp, type HttpOptions } from '@holdfast/server/http/build-http.ts';
import type { Operations } from '@holdfast/server/http/operations.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { storeOperations } from '@holdfast/server/store-operations.ts';
import type { Database } from '@holdfast/server/store/database.ts';
import { idempotencyStore } from '@holdfast/server/store/idempotency.ts';

export interface TestApi {
  readonly url: string;
  /** A client with every scope. */
  readonly client: Client;
  /** Its key, to sign by hand. */
  readonly seed: string;
  readonly webhookKey: ReturnType<typeof generateKeyPairSync>['privateKey'];
  readonly newId: () => string;
  /** The server's clock; a test may move it. */
  readonly clock: { nowMs: number };
  /** Sends a request signed by the key with every scope. */
  readonly request: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string | undefined>,
  ) => Promise<Response>;
  readonly close: () => Promise<void>;
}

export interface TestApiOptions {
  readonly db: Database;
  /** In place of the store's operations, and for those that need chains. */
  readonly operations?: Partial<Operations>;
  readonly keys?: readonly ApiKey[];
  readonly http?: Partial<HttpOptions>;
  readonly allowPrivate?: boolean;
  /** To come back as the server that was. */
  readonly seed?: string;
  readonly port?: number;
}

export const testAssets = [
  { code: 'BTC', name: 'Bitcoin', decimals: 8 },
  { code: 'ETH', name: 'Ether', decimals: 18 },
];

/** Public half of an Ed25519 seed, hex. */
export function publicKeyOf(seed: string): string {
  const jwk = ed25519PrivateKey(seed).export({ format: 'jwk' });
  return Buffer.from(jwk.x!, 'base64url').toString('hex');
}

const notHere = async (): Promise<never> => {
  throw new Failure('node-unavailable', 'this test has no chains');
};

/** What needs chains or signers. */
const withoutChains = {
  listAssets: notHere,
  listNetworks: notHere,
  issueDepositAddress: notHere,
  createWithdrawal: notHere,
  createFeeSchedule: notHere,
  createQuote: notHere,
  claimDeposits: notHere,
  reportFees: notHere,
  checkListing: notHere,
  listEngineEntries: notHere,
  createEngineStatement: notHere,
  releaseReservation: notHere,
  reconcileEngine: notHere,
  cancelWithdrawal: notHere,
  approveWithdrawal: notHere,
  createCustomerRecord: notHere,
  createSettlement: notHere,
  createAdjustment: notHere,
  releaseDeposit: notHere,
  checkRecoverable: notHere,
  startRescan: notHere,
  listHalts: notHere,
  halt: notHere,
  resume: notHere,
  listPolicies: notHere,
  proposePolicy: notHere,
  listSigners: notHere,
  reconcile: notHere,
};

/** The API on a real socket over a real database; what needs chains or signers fails unless the test supplies it. */
export async function testApi(options: TestApiOptions): Promise<TestApi> {
  // A whole second, as signatures state it: ages in tests are exact.
  const clock = { nowMs: Math.floor(Date.now() / 1000) * 1000 };
  const now = (): number => clock.nowMs;
  let made = 0;
  // Ids must sort by time even within a test's one millisecond.
  const newId = (): string => uuidV7(clock.nowMs + made++);
  const seed = options.seed ?? randomBytes(32).toString('hex');
  const webhookKey = generateKeyPairSync('ed25519').privateKey;
  const traits = {
    decimalsOf: (asset: string) => testAssets.find((a) => a.code === asset)?.decimals ?? 0,
    nativeAssetOf: () => 'ETH',
  };
  const operations: Operations = {
    ...storeOperations({
      db: options.db,
      now,
      newId,
      assets: testAssets,
      traits,
      webhooks: { signingKey: webhookKey, allowPrivate: options.allowPrivate ?? true },
    }),
    ...withoutChains,
    ...options.operations,
  };
  const app = await buildHttp(operations, {
    keys: [{ key_id: 'all', public_key: publicKeyOf(seed), scopes }, ...(options.keys ?? [])],
    idempotency: idempotencyStore(options.db, now),
    now,
    newId,
    eventStream: { pollMs: 10, heartbeatMs: 50 },
    ...options.http,
  });
  await app.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const signer = { keyId: 'all', key: ed25519PrivateKey(seed) };
  return {
    url,
    seed,
    clock,
    newId,
    webhookKey,
    client: createClient({ baseUrl: url, keyId: 'all', privateKey: seed, now }),
    request: async (method, path, body, extra = {}) => {
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const unsigned = {
        method,
        url: url + path,
        headers: defined({
          'content-type': text === undefined ? undefined : 'application/json',
          'idempotency-key': method === 'POST' ? randomBytes(8).toString('hex') : undefined,
          ...extra,
        }),
        body: text,
      };
      const headers = await signRequest(unsigned, signer, { nowMs: now(), nonce: randomBytes(12).toString('hex') });
      return fetch(unsigned.url, { method, headers, ...(text !== undefined && { body: text }) });
    },
    close: () => app.close(),
  };
}

function defined(headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Content-Digest of a body, RFC 9530. */
export function digestOf(body: string): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}
