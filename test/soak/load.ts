import { setTimeout as sleep } from 'node:timers/promises';
import type { CreateWithdrawalBody } from '@holdfast/core/contract/bodies.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import {
  type AssetName,
  type Customer,
  decimalsOf,
  outsideAddress,
  payDeposit,
} from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { units, withdrawalBody } from '../support/payouts.ts';
import type { Random } from './random.ts';
import type { SoakStage } from './stage.ts';

/** Somebody outside paid it; whether it counts is what the chain says in the end: a reorg may take it away. */
export interface PaidDeposit {
  readonly customer: Customer;
  readonly asset: AssetName;
  readonly amount: bigint;
  readonly txid: string;
}

export interface AskedWithdrawal {
  readonly customer: Customer;
  readonly asset: AssetName;
  readonly amount: bigint;
  readonly destination: string;
  readonly id: string;
}

export interface Load {
  readonly deposits: PaidDeposit[];
  readonly withdrawals: AskedWithdrawal[];
  /** Every request that was refused for good, with the reason. */
  readonly refused: string[];
}

const assets = ['BTC', 'ETH', 'USDC', 'USDT'] as const;
/** Smallest and largest amount, thousandths of a coin: far below what needs an approver. */
const amounts: Readonly<Record<AssetName, readonly [bigint, bigint]>> = {
  BTC: [1n, 9n],
  ETH: [10n, 90n],
  USDC: [6_000n, 60_000n],
  USDT: [6_000n, 60_000n],
};
const withinMs = 180_000;
const nothingKnown = ['outcome_unknown', 'server-unavailable', 'overloaded', 'database-unavailable'];

/** Deposits and withdrawals in turn until told to stop, each asked again until its outcome is known. */
export function startLoad(stage: SoakStage, random: Random, everyMs: number): { load: Load; end(): Promise<void> } {
  const load: Load = { deposits: [], withdrawals: [], refused: [] };
  const underWay = new Set<Promise<void>>();
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      const work = random.next() < 0.5 ? deposit(stage, random, load) : withdraw(stage, random, load);
      underWay.add(work);
      void work.catch(() => undefined).finally(() => underWay.delete(work));
      await sleep(everyMs);
    }
    await Promise.all(underWay);
  };
  const done = run();
  done.catch(() => undefined);
  return {
    load,
    end: () => {
      isOver = true;
      return done;
    },
  };
}

function draw(random: Random, asset: AssetName): bigint {
  const [from, to] = amounts[asset];
  return BigInt(random.between(Number(from), Number(to))) * (units(asset, '1') / 1_000n);
}

async function deposit(stage: SoakStage, random: Random, load: Load): Promise<void> {
  const customer = random.pick(stage.customers);
  const asset = random.pick(assets);
  const amount = draw(random, asset);
  const how = asset === 'ETH' && random.next() < 0.3 ? 'contract' : 'direct';
  const alone = asset === 'BTC' ? stage.bitcoin : stage.evm;
  const txid = await alone(() =>
    payDeposit(stage.system, customer, asset, formatUnits(amount, decimalsOf[asset]), how),
  );
  load.deposits.push({ customer, asset, amount, txid });
}

async function withdraw(stage: SoakStage, random: Random, load: Load): Promise<void> {
  const { system } = stage;
  const customer = random.pick(stage.customers);
  const asset = random.pick(assets);
  const amount = draw(random, asset);
  const destination = await outsideAddress(system, asset);
  const coins = formatUnits(amount, decimalsOf[asset]);
  const body = withdrawalBody(system, customer, asset, coins, destination);
  const answer = await awaitCondition(
    `an answer about ${body.client_reference}`,
    () => ask(stage, body),
    withinMs,
    200,
  );
  if ('id' in answer) load.withdrawals.push({ customer, asset, amount, destination, id: answer.id });
  else load.refused.push(answer.refusal);
}

/** The very same request again after an unknown outcome. @returns null while nothing is known. */
async function ask(
  { system }: SoakStage,
  body: CreateWithdrawalBody,
): Promise<{ id: string } | { refusal: string } | null> {
  try {
    return await system.client.createWithdrawal(body, { idempotencyKey: `key-${body.client_reference}` });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (nothingKnown.includes(error.code)) return null;
    return { refusal: `${error.code}: ${error.message}` };
  }
}
