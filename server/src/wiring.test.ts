import { generateKeyPairSync } from 'node:crypto';
import { Failure } from '@holdfast/core/failure.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { expect, test } from 'vitest';
import type { Context } from './context.ts';
import type { ServerKeys } from './init.ts';
import { type Adapters, wireOperations } from './wiring.ts';

test('a database that lacks something tells no engine that nobody has taken its reservation', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const config = { assets: [], networks: [], webhooks: { allow_private: false } };
  const operations = wireOperations(
    { config, policy: samplePolicy() } as unknown as Context,
    { networks: new Map() } as unknown as Adapters,
    { webhookKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) } as unknown as ServerKeys,
    {
      isCurrent: () => false,
      pass: async () => 0,
      assertCurrent: () => {
        throw new Failure('database-behind', 'this database lacks 1 transaction');
      },
    },
  );
  const record = { version: 1, kind: 'reservation-release', engine: 'engine', reservation: 'r-1' } as const;
  const body = { record, authorization: { key_id: 'engine', signature: '00'.repeat(64) } };
  await expect(operations.releaseReservation(body)).rejects.toMatchObject({ code: 'database-behind' });
});
