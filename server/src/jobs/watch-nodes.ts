import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { Standing } from '../nodes/endpoints.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';

const codes: Readonly<Record<Exclude<Standing, 'counted'>, string>> = {
  ahead: 'node-disagreement',
  'set-aside': 'node-disagreement',
  behind: 'node-unavailable',
  away: 'node-unavailable',
};

/**
 * Looks again at endpoints that do not count and keeps an alarm open for each while it does not. A pass of the returned
 * function writes only what has changed.
 */
export function watchNodes(ctx: Context, network: Network): () => Promise<number> {
  // Of an earlier run of the process alarms may be open, so nothing is known at first.
  const told = new Map<string, Standing>();
  const seenBefore = new Set<string>();
  return async () => {
    await network.nodes.review();
    for (const { name, standing, detail } of network.nodes.states()) {
      const subject = `${network.id} node ${name}`;
      const code = standing === 'counted' ? null : codes[standing];
      // One missed answer is no alarm; a contradiction is.
      const isNew = code === 'node-unavailable' && !seenBefore.has(name);
      if (code === null) seenBefore.delete(name);
      else seenBefore.add(name);
      if (told.get(name) === standing || isNew) continue;
      const nowMs = ctx.now();
      await ctx.db.transaction(async (sql) => {
        await closeAlarms(sql, subject, nowMs);
        if (code !== null)
          await raiseAlarm(sql, { id: ctx.newId(), code, subject, message: detail ?? standing }, nowMs);
      });
      told.set(name, standing);
      ctx.log('endpoint', { network: network.id, endpoint: name, standing, detail });
    }
    return 0;
  };
}
