import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import type { SignerProgram } from '@holdfast/devnet/signer-program.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { OwnerSignature } from '@holdfast/core/chains/evm/build.ts';
import { evmRequest, execute, safeNonce } from './attack-tools-chains.ts';
import { type Answer, askAll, ownPayment } from './attack-tools-refusals.ts';
import type { DrillStage } from './drill-stage.ts';

/** Runs a program at some signers while something is tried, and the honest one again afterwards. */
export async function withPoisoned<T>(
  stage: DrillStage,
  ids: readonly string[],
  program: SignerProgram,
  act: () => Promise<T>,
): Promise<T> {
  await replace(stage, ids, program);
  try {
    return await act();
  } finally {
    await replace(stage, ids, stage.system.program);
  }
}

/** Returns when all see each other, and the replaced ones by their new build. */
async function replace(
  { system, asServer }: DrillStage,
  ids: readonly string[],
  program: SignerProgram,
): Promise<void> {
  await Promise.all(ids.map(async (id) => system.signer(id).stop()));
  await Promise.all(ids.map(async (id) => system.startSigner(id, program)));
  await awaitCondition(
    'three signers that see each other',
    async () => {
      const all = await Promise.all(asServer.map((client) => client.call('/v1/status', {}).catch(() => null)));
      return all.every((status) => status?.peers_reachable === 2);
    },
    20_000,
    50,
  );
}

/** A payment that the victim asked for, and the bytes that pay the same amount to the thief. */
export interface Diversion {
  readonly address: string;
  readonly request: SignEvmRequest;
  /** The same intent, paid as it says. */
  readonly honest: SignEvmRequest;
}

export async function divert(stage: DrillStage, coins: string): Promise<Diversion> {
  const { system } = stage;
  const authorized = ownPayment(stage, stage.victim, 'ETH', coins);
  const address = await stage.thief('ETH');
  const nonce = await safeNonce(system);
  const toThief: AuthorizedIntent = { ...authorized, intent: { ...authorized.intent, destination: address } };
  const { safe_transaction } = evmRequest(system, [toThief], nonce);
  const honest = evmRequest(system, [authorized], nonce);
  return { address, request: { ...honest, safe_transaction }, honest };
}

/** Asks every signer to sign, and hands what they signed to the Safe. @returns the answers, and what the Safe said. */
export async function collect(
  stage: DrillStage,
  request: SignEvmRequest,
): Promise<{ answers: readonly Answer<OwnerSignature>[]; chain: string }> {
  const answers = await askAll(stage, async (client) => client.call('/v1/sign/evm', request));
  const signatures = answers.flatMap(({ value }) => (value ? [value] : []));
  return { answers, chain: await execute(stage.system, request.safe_transaction, signatures) };
}
