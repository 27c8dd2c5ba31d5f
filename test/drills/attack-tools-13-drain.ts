import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import type { TokenLimit } from '@holdfast/devnet/evm/deploy-vault.ts';
import { payDeposit } from '@holdfast/devnet/story/actors.ts';
import { units } from '../support/payouts.ts';
import type { Amounts, Attack } from './attack.ts';
import { amountText } from './judge.ts';
import { authorise, chainTimeS, everyTokenOf, relay } from './attack-tools-emergency.ts';
import { mustRevert, sendCalls } from './attack-tools-evm-calls.ts';
import {
  availableOf,
  batchCall,
  bySafe,
  type EvmAsset,
  evmAssets,
  holdings,
  noticedAfterMs,
  payLeg,
  stealQuorum,
  type StolenQuorum,
} from './attack-tools-quorum.ts';
import { thiefKey } from './attack-tools-safe-bytes.ts';
import { sweepEther } from './attack-tools-sweep.ts';
import { mustBe, stealSigner } from './attack-tools-signers.ts';
import type { DrillStage } from './drill-stage.ts';

const caps: Readonly<Record<EvmAsset, string>> = { ETH: '5', USDT: '10000', USDC: '10000' };
const dayS = 86_400n;

/** Below what the vault holds, so that it is the guard that binds; again in each day. */
export const limits: readonly TokenLimit[] = evmAssets.map((asset) => {
  const capacity = units(asset, caps[asset]);
  return { asset, capacity, refillPerSecond: capacity / dayS };
});

/** Seconds by the chain's clock within which it must be paused: what leaks from the limits meanwhile is lost as well. */
const pausedWithinS = 120n;

/** Known before: all limits at once, and what they leak until the pause. */
const bound: Amounts = Object.fromEntries(
  limits.map(({ asset, capacity, refillPerSecond }) => [asset, capacity + refillPerSecond * pausedWithinS]),
);

const txsAtOnce = 4;
const payoutsEach = 5n;

/** All limits in many small payouts of every token, in one block. */
async function drainLimits(stage: DrillStage, quorum: StolenQuorum, pocket: string): Promise<void> {
  const { system } = stage;
  const small = limits.map(({ asset, capacity }) => ({ asset, amount: capacity / (BigInt(txsAtOnce) * payoutsEach) }));
  const legs = small.flatMap(({ asset, amount }) =>
    Array.from({ length: Number(payoutsEach) }, () => payLeg(system, asset, pocket, amount)),
  );
  const batch = await batchCall(system, legs);
  const calls = await Promise.all(
    Array.from({ length: txsAtOnce }, async (_, at) => ({
      ...(await bySafe(system, quorum, batch, at)),
      gas: 1_500_000n,
    })),
  );
  const said = await sendCalls(system, calls, thiefKey);
  mustBe('the small payouts', [...new Set(said)].join(', '), 'executed');
}

/** Whatever has leaked from the limits since. */
async function drainLeaks(stage: DrillStage, quorum: StolenQuorum, pocket: string): Promise<void> {
  const { system } = stage;
  const legs: string[] = [];
  for (const asset of evmAssets) {
    const amount = await availableOf(system, asset);
    if (amount > 0n) legs.push(payLeg(system, asset, pocket, amount));
  }
  // Without a payment there is no block for the signers to look at.
  if (legs.length === 0) return system.mineEvm();
  await sendCalls(system, [await bySafe(system, quorum, await batchCall(system, legs))], thiefKey);
}

const noticeMs = 20_000;
const actMs = 40_000;

export const drainedUntilPaused: Attack = {
  name: 'every owner key: all limits at once in many small payouts, and what leaks from them until one signer pauses and evacuates',
  bound,
  haltWithinMs: noticeMs,
  withinMs: { paused: actMs, evacuated: actMs },
  run: async (stage) => {
    const { system } = stage;
    const quorum = await stealQuorum(stage);
    const one = await stealSigner(stage, 'signer-3');
    const pocket = await stage.thief('ETH');
    const mark = stage.mark();
    const cold = await holdings(system, system.evm.coldSafe);
    const startedAtMs = performance.now();
    const since = (): number => Math.round(performance.now() - startedAtMs);
    const fromS = await chainTimeS(system);
    await drainLimits(stage, quorum, pocket);
    let noticed = false;
    const halting = noticedAfterMs(stage, mark, evmNetworkId, startedAtMs, noticeMs).finally(() => (noticed = true));
    // What fails is told below, when the thief has stopped.
    halting.catch(() => undefined);
    while (!noticed) await drainLeaks(stage, quorum, pocket);
    const haltedAfterMs = await halting;

    mustBe('the pause', await relay(system, await authorise(system, one.emergency, { kind: 'pause' })), 'executed');
    const paused = since();
    const openS = (await chainTimeS(system)) - fromS;
    const again = await batchCall(system, [payLeg(system, 'ETH', pocket, 1n)]);
    const tried = async (name: string): Promise<string[]> => {
      const call = await bySafe(system, quorum, again);
      return mustRevert(system, [{ name, error: 'VaultIsPaused', ...call }], thiefKey);
    };
    const evidence = await tried('a payment after the pause');
    const vault = await holdings(system, system.evm.safe);
    const evacuation = await authorise(system, one.emergency, everyTokenOf(system));
    mustBe('the evacuation', await relay(system, evacuation), 'executed');
    const evacuated = since();
    await mustBeCold(stage, cold, vault);
    evidence.push(...(await tried('a payment after the evacuation')));
    await laterDeposit(stage, one.emergency);

    const left = await holdings(system, pocket);
    // Else it was not the limit that bound the loss.
    for (const { asset, capacity } of limits)
      if (left[asset] < capacity) throw new Error(`only ${left[asset]} of ${asset}`);
    quorum.close();
    one.close();
    const notes = [
      `paused ${openS} s of the chain's clock after the first payout; saved ${evmAssets
        .map((asset) => amountText({ [asset]: vault[asset] }))
        .join(', ')} and a later deposit of 2 ETH`,
    ];
    return {
      left,
      haltedAfterMs,
      afterMs: { paused, evacuated },
      evidence: [...stage.evidenceSince(mark), ...evidence],
      notes,
    };
  },
};

/** To the last base unit: all that the Safe held is at the cold Safe. */
async function mustBeCold(
  stage: DrillStage,
  before: Record<EvmAsset, bigint>,
  vault: Record<EvmAsset, bigint>,
): Promise<void> {
  const [cold, rest] = await Promise.all([
    holdings(stage.system, stage.system.evm.coldSafe),
    holdings(stage.system, stage.system.evm.safe),
  ]);
  for (const asset of evmAssets) {
    mustBe(`${asset} in the Safe`, String(rest[asset]), '0');
    mustBe(`${asset} at the cold Safe`, String(cold[asset] - before[asset]), String(vault[asset]));
  }
}

/** A customer pays an address that was given out long ago; it is swept, and the desk empties the Safe again. */
async function laterDeposit(stage: DrillStage, key: Parameters<typeof authorise>[1]): Promise<void> {
  const { system, victim } = stage;
  const before = await holdings(system, system.evm.coldSafe);
  await payDeposit(system, victim, 'ETH', '2');
  await system.mineEvm();
  await sweepEther(system, victim);
  const evacuation = await authorise(system, key, everyTokenOf(system));
  mustBe('another evacuation', await relay(system, evacuation), 'executed');
  await mustBeCold(stage, before, { ETH: units('ETH', '2'), USDT: 0n, USDC: 0n });
}
