import { Failure } from '@holdfast/core/failure.ts';
import type { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { HaltView } from '../signers/halt-view.ts';
import { hasEmergency, insertTransaction, lockBatching, storeSigned } from '../store/chain-transactions.ts';

/**
 * Brings a signer's pause to the chain, unless the guard is paused already or one is on its way. The relayer's bytes are
 * stored before they are sent, and broadcast like all others. Nothing depends on this: anybody can relay what a signer signed.
 * @returns how many were stored; at most one.
 */
export async function relayPauses(ctx: Context, network: Network, pauses: HaltView['pauses']): Promise<number> {
  const { pause } = network;
  const offered = pauses(network.id);
  if (!pause || offered.length === 0 || (await pause.isPaused())) return 0;
  for (const one of offered) {
    // A later deadline of the same pause is tried again, in case the chain took the earlier one too late.
    const ref = `emergency:${one.key.toLowerCase()}:${one.nonce}:${one.deadline_s}`;
    if (await hasEmergency(ctx.db, network.id, ref)) continue;
    if (await relay(ctx, network, pause, one, ref)) return 1;
  }
  return 0;
}

async function relay(
  ctx: Context,
  network: Network,
  pause: NonNullable<Network['pause']>,
  authorisation: EmergencyAuthorisation,
  ref: string,
): Promise<boolean> {
  let prepared;
  try {
    prepared = await pause.prepare(authorisation);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // Another signer's may do: one that was used before, or a signer that lies, keeps nobody else's back.
    ctx.log('pause-waits', { network: network.id, key: authorisation.key, code: error.code, problem: error.message });
    return false;
  }
  const { unsigned, signed } = prepared;
  const id = ctx.newId();
  const stored = await ctx.db.transaction(async (sql) => {
    await lockBatching(sql, network.id);
    if (await hasEmergency(sql, network.id, ref)) return false;
    const nowMs = ctx.now();
    await insertTransaction(
      sql,
      { id, network: network.id, kind: 'emergency', unsigned, conflictKeys: [], refs: [ref] },
      nowMs,
    );
    const sealed = await signed.seal(sql);
    await storeSigned(sql, id, { ...sealed, refs: [...sealed.refs, ref] }, nowMs);
    return true;
  });
  if (stored) ctx.log('pause-relayed', { network: network.id, key: authorisation.key, transaction: id });
  return stored;
}
