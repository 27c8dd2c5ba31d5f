import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import type { AuthorizedIntent, WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { type AssetName, withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import type { SignerClient } from '@holdfast/server/signers/panel.ts';
import { mineUntilAll, received } from '../support/payouts.ts';
import type { Amounts } from './attack.ts';
import { assets, type Banked, type DrillStage } from './drill-stage.ts';

/** What one signer said to the attacker: a value, or the code of its refusal. */
export interface Answer<T> {
  readonly client: SignerClient;
  readonly value: T | null;
  readonly code: string | null;
  readonly message: string;
}

/** Asks every signer by itself. */
export async function askAll<T>(
  stage: DrillStage,
  ask: (client: SignerClient) => Promise<T>,
): Promise<readonly Answer<T>[]> {
  return Promise.all(
    stage.asServer.map(async (client) => {
      try {
        return { client, value: await ask(client), code: null, message: '' };
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        return { client, value: null, code: error.code, message: error.message };
      }
    }),
  );
}

/** Fails the drill unless every signer refused with this code: a refusal for another reason proves nothing. */
export function mustRefuse(what: string, answers: readonly Answer<unknown>[], code: ErrorCode): void {
  const other = answers.find((answer) => answer.code !== code);
  if (!other) return;
  throw new Error(`${what}: ${other.client.id} ${other.code ?? 'gave in'} ${other.message}, not ${code}`);
}

/** Asks every signer; all must refuse with the code. @returns evidence, `signer-1 code` each. */
export async function refusedByAll(
  stage: DrillStage,
  what: string,
  ask: (client: SignerClient) => Promise<unknown>,
  code: ErrorCode,
): Promise<string[]> {
  const answers = await askAll(stage, ask);
  mustRefuse(what, answers, code);
  return answers.map((answer) => `${answer.client.id} ${code}`);
}

/** Every signer refuses a record about a customer with the code. @returns evidence, `signer-1 code` each. */
export async function recordRefusedByAll(
  stage: DrillStage,
  signed: CustomerRecord,
  code: ErrorCode,
): Promise<string[]> {
  return Promise.all(
    stage.asServer.map(async (client) => {
      const [result] = (await client.call('/v1/records', { records: [signed] })).results;
      if (result?.state === 'refused' && result.code === code) return `${client.id} ${code}`;
      throw new Error(`a ${signed.record.kind} record: ${client.id} ${JSON.stringify(result)}, not ${code}`);
    }),
  );
}

/** The API must refuse with the code. @returns evidence, `api code`. */
export async function refusedByApi(what: string, call: () => Promise<unknown>, code: ErrorCode): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof Failure && error.code === code) return `api ${code}`;
    throw new Error(`${what}: refused for another reason than ${code}: ${String(error)}`, { cause: error });
  }
  throw new Error(`${what}: the API gave in, it should refuse with ${code}`);
}

/** A payment of a customer to their own matured destination, or another, signed with their passkey. */
export function ownPayment(
  stage: DrillStage,
  customer: Banked,
  asset: AssetName,
  coins: string,
  change: Partial<WithdrawalIntent> = {},
): AuthorizedIntent {
  const { system } = stage;
  const intent = withdrawalIntent(system, customer, asset, coins, customer.destinations[asset]);
  return system.authorizeWithPasskey({ ...intent, ...change });
}

/**
 * Shows that the path is live: the victim's payments go through the API, the same server routes and the same signers, and
 * arrive to the last base unit.
 */
export async function mustBePaid(
  stage: DrillStage,
  payments: readonly { readonly asset: AssetName; readonly authorized: AuthorizedIntent }[],
): Promise<void> {
  const { system } = stage;
  const before = await Promise.all(
    payments.map(({ asset, authorized }) => received(system, asset, authorized.intent.destination)),
  );
  const ids: string[] = [];
  for (const { authorized } of payments) {
    const body = { client_reference: `wd-${randomBytes(8).toString('hex')}`, ...authorized };
    ids.push((await system.client.createWithdrawal(body)).id);
  }
  await mineUntilAll(system, ids, 'settled');
  for (const [at, { asset, authorized }] of payments.entries()) {
    const { destination, amount } = authorized.intent;
    const arrived = (await received(system, asset, destination)) - before[at]!;
    if (arrived !== BigInt(amount)) throw new Error(`${arrived} of ${asset} arrived, not the ${amount} of the intent`);
  }
}

/** A small payment of the victim, to show that the path is live. */
export async function victimIsPaid(stage: DrillStage, asset: AssetName, coins: string): Promise<void> {
  await mustBePaid(stage, [{ asset, authorized: ownPayment(stage, stage.victim, asset, coins) }]);
}

/** Addresses that the attacker chose, by asset. */
export type Pockets = Readonly<Partial<Record<AssetName, readonly string[]>>>;

/** Measured on chain: what the pockets hold. */
export async function lootIn(stage: DrillStage, pockets: Pockets): Promise<Amounts> {
  const left: Amounts = {};
  for (const asset of assets) {
    for (const address of pockets[asset] ?? [])
      left[asset] = (left[asset] ?? 0n) + (await stage.stolen(asset, address));
  }
  return left;
}

/** Both what the signers journalled and what they and the API answered. */
export function evidenceOf(
  stage: DrillStage,
  mark: ReadonlyMap<string, number>,
  answered: readonly string[] = [],
): string[] {
  return [...stage.evidenceSince(mark), ...new Set(answered)];
}
