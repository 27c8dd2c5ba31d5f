import type { Context } from '../context.ts';
import { engineOf } from '../operations/engine-key.ts';
import type { Reconcile } from '../operations/engine-books.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { entriesWaiting } from '../store/engine-entries.ts';
import { newestStatement } from '../store/engine-statements.ts';

const silentDefaultS = 300;
const chainDefaultS = 300;

/**
 * What a statement alone does not show: an alarm while the engine leaves entries unacknowledged, and, each time it is due,
 * the ledger against the chain. The loop's own alarm tells of nodes that do not answer.
 */
export function engineWatch(ctx: Context, reconcile: Reconcile): () => Promise<number> {
  let comparedAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    await tellSilence(ctx);
    const everyMs = (ctx.config.engine?.reconcile_s ?? chainDefaultS) * 1_000;
    if (ctx.now() - comparedAtMs < everyMs) return 0;
    const { rows } = await reconcile();
    comparedAtMs = ctx.now();
    for (const { network, asset, ledger, chain, difference } of rows) {
      const subject = `chain ${network} ${asset}`;
      if (difference === '0') {
        await closeAlarms(ctx.db, subject, comparedAtMs);
        continue;
      }
      const message = `${network} holds ${chain} base units of ${asset}, the ledger says ${ledger}: ${difference} of difference`;
      await raiseAlarm(ctx.db, { id: ctx.newId(), code: 'chain-differs', subject, message }, comparedAtMs);
    }
    return 0;
  };
}

async function tellSilence(ctx: Context): Promise<void> {
  const engine = engineOf(ctx);
  const acknowledged = (await newestStatement(ctx.db, engine))?.sequence ?? 0n;
  const { waitsSinceMs, latest } = await entriesWaiting(ctx.db, acknowledged);
  const nowMs = ctx.now();
  const silentS = ctx.config.engine?.silent_s ?? silentDefaultS;
  const subject = `engine ${engine} silent`;
  if (waitsSinceMs === null || nowMs - waitsSinceMs < silentS * 1_000) {
    await closeAlarms(ctx.db, subject, nowMs);
    return;
  }
  const message = `the engine has stated nothing past entry ${acknowledged} of ${latest} for more than ${silentS} s`;
  await raiseAlarm(ctx.db, { id: ctx.newId(), code: 'engine-silent', subject, message }, nowMs);
}
