import type { Context } from '../context.ts';
import type { LaneGrant } from '../store/fence.ts';
import { forgetServer, noteServer, registerLanes, releaseLanes, renewLanes, takeLanes } from '../store/lanes.ts';

/** How long a server that went silent keeps its lanes. */
const leaseMsDefault = 5_000;

/** The lanes of this server process: which it holds changes while it runs. */
export interface Lanes {
  /** What this server holds of the lane; waits while another server has it. Null once `stop` was called. */
  hold(name: string): Promise<LaneGrant | null>;
  /** A fenced transaction was refused under this grant. */
  lost(grant: LaneGrant): void;
  /** Names of what is held. */
  held(): readonly string[];
  /** Nobody waits any more; nothing is given back yet. */
  endWaiting(): void;
  /** Gives all lanes back; call it when their loops have ended. */
  stop(): Promise<void>;
}

export interface LanesOptions {
  /** Names this server among those on the database: a restarted one has its lanes back at once. */
  readonly server: string;
  readonly leaseMs?: number;
}

/** Keeps the leases of what loops ask for, and takes this server's share of what nobody holds. */
export function keepLanes(ctx: Pick<Context, 'db' | 'log'>, { server, leaseMs = leaseMsDefault }: LanesOptions): Lanes {
  const tickMs = leaseMs / 5;
  const held = new Map<string, bigint>();
  const registered = new Set<string>();
  const waiting = new Map<string, (grant: LaneGrant | null) => void>();
  let known: readonly string[] = [];
  let ticks = 0;
  let stopping = false;
  let failed = false;

  function give(name: string, token: bigint): void {
    held.set(name, token);
    waiting.get(name)?.({ name, token });
    waiting.delete(name);
  }

  const grants = (): LaneGrant[] => Array.from(held, ([name, token]) => ({ name, token }));

  async function tick(): Promise<void> {
    known = [...registered];
    if (known.length === 0) return;
    await registerLanes(ctx.db, known);
    const servers = await noteServer(ctx.db, server, leaseMs);
    const share = Math.ceil(known.length / servers);
    const asked = grants();
    const kept = new Set(asked.length === 0 ? [] : await renewLanes(ctx.db, asked, leaseMs));
    const lost = asked.filter(({ name }) => !kept.has(name));
    for (const grant of lost) drop(grant);
    // Others are waiting for their share. What runs in a lane now may end: until it is taken, its token counts.
    const surplus = grants().slice(share);
    for (const grant of surplus) drop(grant);
    if (surplus.length > 0) await releaseLanes(ctx.db, surplus);
    const wanted = Math.max(0, share - held.size);
    const others = known.filter((name) => !held.has(name) && !surplus.some((grant) => grant.name === name));
    // Of a server killed a moment ago a transaction may still be under way: what it had is asked for again.
    const at = { wanted, leaseMs, own: ticks++ < 3 };
    const taken = others.length === 0 ? [] : await takeLanes(ctx.db, server, others, at);
    for (const { name, token } of taken) give(name, token);
    if (lost.length + surplus.length + taken.length > 0) {
      const names = (of: readonly LaneGrant[]): string[] => of.map(({ name }) => name);
      ctx.log('lanes', { servers, taken: names(taken), given: names(surplus), lost: names(lost) });
    }
  }

  function drop({ name, token }: LaneGrant): void {
    if (held.get(name) === token) held.delete(name);
  }

  let wakeKeeper: () => void = () => undefined;
  async function keep(): Promise<void> {
    while (!stopping) {
      try {
        await tick();
        failed = false;
      } catch (error) {
        // The database is away. Nothing is lost by that: no other server can take a lane meanwhile.
        if (!failed) ctx.log('lanes-failed', { message: error instanceof Error ? error.message : String(error) });
        failed = true;
      }
      if (stopping) break;
      // Loops that ask for the first time wait for no tick.
      if ([...registered].some((name) => !known.includes(name))) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, tickMs);
        wakeKeeper = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  let keeping: Promise<void> | undefined;
  const endWaiting = (): void => {
    stopping = true;
    wakeKeeper();
    for (const resolve of waiting.values()) resolve(null);
    waiting.clear();
  };
  return {
    hold: async (name) => {
      if (stopping) return null;
      registered.add(name);
      // After the loops that start in one go have all asked.
      keeping ??= Promise.resolve().then(keep);
      const token = held.get(name);
      if (token !== undefined) return { name, token };
      if (!known.includes(name)) wakeKeeper();
      return new Promise((resolve) => waiting.set(name, resolve));
    },
    lost: drop,
    held: () => [...held.keys()],
    endWaiting,
    stop: async () => {
      endWaiting();
      await keeping;
      const last = grants();
      held.clear();
      // What cannot be given back is free when its lease has run out.
      await releaseLanes(ctx.db, last)
        .then(() => forgetServer(ctx.db, server))
        .catch(() => undefined);
    },
  };
}
