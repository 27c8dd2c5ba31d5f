import { randomBytes } from 'node:crypto';
import {
  encodeExecTransaction,
  type OwnerSignature,
  packSignatures,
  type WithdrawalLeg,
} from '@holdfast/core/chains/evm/build.ts';
import { parseId } from '@holdfast/core/contract/ids.ts';
import type { WithdrawalState } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { type BaseUnits, parseBaseUnits } from '@holdfast/core/money/base-units.ts';
import type { CustomerRecord, DestinationRecord } from '@holdfast/core/signing/customer-record.ts';
import type { AuthorizedIntent, WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { signRecord } from '@holdfast/client/sign-record.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { mineUntilAll } from '../support/payouts.ts';
import { batchOf } from './attack-tools-chains.ts';
import type { DrillStage } from './drill-stage.ts';

/** What root on the API host does with the server's TLS key, its database and the integrator's key that lies beside it. */

export const newNonce = (): string => randomBytes(12).toString('hex');

/** The code with which something is refused; a drill that expects a refusal and meets a success must fail. */
export async function refusalOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
  throw new Error('what should have been refused was accepted');
}

/** @throws Error unless it is refused with exactly this code. @returns `<where> <code>`, the evidence. */
export async function mustRefuse(where: string, code: string, act: () => Promise<unknown>): Promise<string> {
  const found = await refusalOf(act);
  if (found !== code) throw new Error(`${where} refused with ${found} and not with ${code}`);
  return `${where} ${code}`;
}

/** Fails the drill: what was to be shown was not. */
export function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

export interface SigningAttempt {
  /** The transaction was executed on the chain. */
  readonly paid: boolean;
  /** Refusals, one a signer that refused. */
  readonly codes: readonly string[];
}

/** Builds a payment of the vault, has as many signers sign it as will, and sends it when they are enough. */
export async function payDirectly(stage: DrillStage, intents: readonly AuthorizedIntent[]): Promise<SigningAttempt> {
  const { system, asServer } = stage;
  const rpcUrl = system.chains.anvil.url;
  // Safe.nonce().
  const nonce = BigInt(
    await rpcCall<string>(rpcUrl, 'eth_call', [{ to: system.evm.safe, data: '0xaffed0e0' }, 'latest']),
  );
  const legs = intents.map(({ intent }) => legOf(intent));
  const tx = batchOf(system, legs, nonce, intents);
  const signatures: OwnerSignature[] = [];
  const codes: string[] = [];
  for (const signer of asServer) {
    try {
      const request = { network: evmNetworkId, safe_transaction: tx, intents: [...intents] };
      const { owner, signature } = await signer.call('/v1/sign/evm', request);
      signatures.push({ owner, signature });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      codes.push(error.code);
    }
  }
  if (signatures.length < 2) return { paid: false, codes };
  const data = encodeExecTransaction(tx, packSignatures(signatures.slice(0, 2)));
  await sendTransaction({ rpcUrl, key: devnetKeys.spare, to: system.evm.safe, data });
  await system.mineEvm(3);
  return { paid: true, codes };
}

/** @throws Error unless every signer refuses with this code. */
export async function mustNotPay(stage: DrillStage, intents: readonly AuthorizedIntent[], code: string): Promise<void> {
  const { paid, codes } = await payDirectly(stage, intents);
  demand(!paid, `the signers paid what they must refuse with ${code}`);
  demand(codes.length === 3 && codes.every((one) => one === code), `refused with ${codes.join(', ')}, not ${code}`);
}

function legOf({ asset, destination, amount }: WithdrawalIntent): WithdrawalLeg {
  const base: BaseUnits = parseBaseUnits(amount);
  const [, contract] = /\/erc20:(0x[0-9a-fA-F]{40})$/.exec(asset) ?? [];
  if (contract === undefined) return { kind: 'native', to: destination, amount: base };
  return { kind: 'erc20', contract, to: destination, amount: base };
}

type RecordResult = Awaited<ReturnType<typeof tellSigner>>[number];

const tellSigner = async (stage: DrillStage, at: number, records: CustomerRecord[]) =>
  (await stage.asServer[at]!.call('/v1/records', { records })).results;

/** Pushes records to every signer. @returns one answer a record and signer. */
export async function tellSigners(stage: DrillStage, records: CustomerRecord[]): Promise<RecordResult[]> {
  return (await Promise.all(stage.asServer.map(async (_, at) => tellSigner(stage, at, records)))).flat();
}

/** @throws Error unless every signer refuses every record with this code. */
export async function mustNotCount(stage: DrillStage, records: CustomerRecord[], code: string): Promise<string> {
  for (const result of await tellSigners(stage, records)) {
    demand(result.state !== 'accepted', `a signer takes a record that it must refuse with ${code}`);
    demand(result.code === code, `a record is refused with ${result.code}, not with ${code}`);
  }
  return `records ${code}`;
}

/** An address-book entry by the stolen integrator's key, which may make one: from its maturity on only evidence stops a payment there. */
export async function addByStolenKey(
  stage: DrillStage,
  entries: readonly [customer: string, address: string][],
): Promise<void> {
  const { integrator } = stage.system.parties;
  const records = entries.map(([customer, address]): CustomerRecord => {
    const record: DestinationRecord = {
      version: 1,
      kind: 'destination',
      action: 'add',
      customer,
      network: evmNetworkId,
      address,
      nonce: newNonce(),
    };
    return { record, authorization: signRecord(record, { keyId: integrator.keyId, privateKey: integrator.seed }) };
  });
  const results = await tellSigners(stage, records);
  const times = results.map((result) => (result.state === 'accepted' ? result.effective_at_ms : Infinity));
  demand(Math.max(...times) < Infinity, 'the stolen key may add destinations');
  await until(Math.max(...times));
}

export async function until(atMs: number): Promise<void> {
  await new Promise((done) => setTimeout(done, Math.max(0, atMs - Date.now()) + 50));
}

/**
 * Changes a withdrawal's row, puts it into the queue and waits until the signers have refused what the server makes of it;
 * then takes it out again.
 */
export async function offerRow(
  stage: DrillStage,
  id: string,
  code: string,
  change: () => Promise<unknown>,
): Promise<void> {
  const { db } = stage.books;
  const mark = stage.mark();
  const row = parseId('wd', id);
  await change();
  await db.query(`update withdrawal set state = 'queued', not_before_ms = 0 where id = $1`, [row]);
  await awaitCondition(
    `signers refuse ${id} with ${code}`,
    async () => stage.evidenceSince(mark).includes(`refused ${code}`),
    15_000,
    30,
  );
  await awaitCondition(
    `${id} is out of the queue`,
    async () =>
      (
        await db.query(
          `update withdrawal set state = 'awaiting_approval', transaction_id = null where id = $1 and state = 'queued' returning id`,
          [row],
        )
      ).length > 0,
    15_000,
    30,
  );
  const others = stage.evidenceSince(mark).filter((line) => line !== `refused ${code}`);
  demand(others.length === 0, `beside ${code} the signers recorded ${others.join(', ')}`);
}

/** The thief gives a withdrawal up, so that it disturbs no later attack. */
export async function dropRow(stage: DrillStage, id: string): Promise<void> {
  const text = `update withdrawal set state = 'released' where id = $1 and state in ('queued', 'awaiting_approval') returning id`;
  await awaitCondition(
    `${id} given up`,
    async () => (await stage.books.db.query(text, [parseId('wd', id)])).length > 0,
    15_000,
    30,
  );
}

/** Mines until a withdrawal is paid for good. */
export async function mustSettle(stage: DrillStage, id: string, state: WithdrawalState = 'settled'): Promise<void> {
  await mineUntilAll(stage.system, [id], state);
}
