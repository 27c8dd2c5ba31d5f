import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { taprootSighashes, type Prevout } from '@holdfast/core/chains/bitcoin/sighash.ts';
import type {
  NonceCommitment,
  SignBitcoinRequest,
  SignEvmRequest,
  SignerResponse,
} from '@holdfast/core/signing/messages.ts';
import { aggregateInputs } from '@holdfast/server/signers/aggregate.ts';
import { expect } from 'vitest';
import type { SignerStage } from './signer-stage.ts';
import type { SignerProcess } from './signers.ts';

/** Asks one signer for its signature of a Safe transaction. */
export function signEvm(request: SignEvmRequest) {
  return async (signer: SignerProcess): Promise<SignerResponse<'/v1/sign/evm'>> =>
    signer.client.call('/v1/sign/evm', request);
}

/** Asks one signer for the first round of a Bitcoin transaction. */
export function commit(request: SignBitcoinRequest) {
  return async (signer: SignerProcess): Promise<SignerResponse<'/v1/sign/bitcoin/commit'>> =>
    signer.client.call('/v1/sign/bitcoin/commit', request);
}

/** Every signer by itself refuses with this code. */
export async function refusedByAll(
  stage: SignerStage,
  ask: (signer: SignerProcess) => Promise<unknown>,
  code: string,
  message = /./,
): Promise<void> {
  for (const signer of stage.cluster.signers) {
    await expect(ask(signer), signer.id).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  }
}

/** Both rounds with the given signers, aggregated and verified as the server does it; one signature an input. */
export async function signBitcoin(
  stage: SignerStage,
  request: SignBitcoinRequest,
  quorum: readonly SignerProcess[],
): Promise<Uint8Array[]> {
  const sessions = await Promise.all(quorum.map(commit(request)));
  const lists = request.input_paths.map((_, at) =>
    sessions.map((session) => session.commitments[at] as NonceCommitment),
  );
  const shares = await Promise.all(
    quorum.map(async ({ client }, at) => {
      const { session, commitments } = sessions[at] as SignerResponse<'/v1/sign/bitcoin/commit'>;
      const answer = await client.call('/v1/sign/bitcoin/share', { session, commitments: lists });
      return { identifier: commitments[0]?.identifier ?? '', shares: answer.shares };
    }),
  );
  const tx = inspectBitcoinTransaction(request.raw_tx);
  const prevouts = tx.inputs.map(({ txid, vout }) => stage.node.coins.get(`${txid}:${vout}`) as Prevout);
  const sighashes = taprootSighashes(request.raw_tx, prevouts);
  const inputs = request.input_paths.map((path, at) => ({
    sighash: sighashes[at] as Uint8Array,
    tweak: stage.derive(path).tweak,
  }));
  return aggregateInputs(stage.wallet, inputs, lists, shares, 2, 3);
}
