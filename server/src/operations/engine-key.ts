import { Failure } from '@holdfast/core/failure.ts';
import { engineDigest } from '@holdfast/core/signing/engine.ts';
import type { KeySignature } from '@holdfast/core/signing/evidence.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import type { Context } from '../context.ts';

type EngineContext = Pick<Context, 'config' | 'policy'>;

/** Key id of the engine that owns the balances. @throws Failure engine-missing in mode `ledger`. */
export function engineOf(ctx: Pick<Context, 'config'>): string {
  const { engine } = ctx.config;
  if (ctx.config.mode === 'custodian' && engine) return engine.key_id;
  throw new Failure('engine-missing', 'Holdfast’s ledger is the customers’ ledger here');
}

/**
 * Checks that the engine of the configuration signed a record with its key of the policy.
 * @throws Failure engine-missing, authorization-invalid.
 */
export function verifyEngine(
  ctx: EngineContext,
  { record, authorization }: { record: Parameters<typeof engineDigest>[0]; authorization: KeySignature },
  pointer: string,
): void {
  const engine = engineOf(ctx);
  const key = ctx.policy.engine_keys.find(({ key_id: keyId }) => keyId === engine);
  const isEngines = record.engine === engine && authorization.key_id === engine;
  if (
    !isEngines ||
    !key ||
    !opensslVerifiers.ed25519(Buffer.from(key.public_key, 'hex'), engineDigest(record), authorization.signature)
  ) {
    throw new Failure('authorization-invalid', `the engine ${engine} did not sign this`, {
      pointer,
      fix: 'Sign the record with the engine’s key that config.json and the policy name.',
    });
  }
}
