import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';
import type { SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { Context } from '../context.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import type { Sql } from '../store/database.ts';
import { ofEpoch } from '../operations/issue-deposit-address.ts';
import { addStatement, epochOfIndex } from '../store/deposit-addresses.ts';
import {
  adjustmentsLane,
  customersLane,
  depositsLane,
  isOrdered,
  needsProofs,
  releasesLane,
  settlementsLane,
} from '../store/record-lane.ts';
import {
  type DueDelivery,
  dueDeliveries,
  pendingLanes,
  putOff,
  saveVerdicts,
  type Verdict,
  waitsLong,
} from '../store/signer-deliveries.ts';

const recordsPerCall = 20;
/** What a signer proves at a time: one round of its nodes' answers must fit into the call. */
const proofsPerCall = 8;
/** A signer reads 1 MiB at most; the first record may be as long as a request can be. */
const bytesMax = 600_000;
/** A signing request goes out after this long all the same: what is not told then makes the signers refuse, no more. */
const tellMsMax = 2_000;
/** About the first hour of attempts. */
const attemptsQuick = 120;
const retryQuickMs = 30_000;
const retryMaxMs = 600_000;
/** Some five hours: from then on somebody should look. */
const attemptsAlarm = 150;
const dayMs = 86_400_000;

/** Pause before a record that a signer could not judge yet comes again; it comes for ever. */
function retryMs(attempts: number): number {
  if (attempts < attemptsQuick) return Math.min(retryQuickMs, 250 * 2 ** Math.min(attempts, 8));
  return Math.min(retryMaxMs, retryQuickMs * 2 ** Math.min(attempts - attemptsQuick, 8));
}

/** All lanes that can have something: what this configuration and policy make, and what is left of an earlier one. */
export async function recordLanes(ctx: Context): Promise<string[]> {
  const own = [
    customersLane,
    adjustmentsLane,
    releasesLane,
    ...ctx.policy.engine_keys.map((key) => settlementsLane(key.key_id)),
    ...ctx.config.networks.map(({ id }) => depositsLane(id)),
  ];
  return [...new Set([...own, ...(await pendingLanes(ctx.db))])];
}

/**
 * Tells one signer what it does not know yet of a lane.
 * @returns how many records it has judged.
 * @throws Failure signers-unavailable, or the signer's refusal of the call.
 */
export async function deliverSignerRecords(
  ctx: Context,
  panel: SignerPanel,
  signer: string,
  lane: string,
): Promise<number> {
  const nowMs = ctx.now();
  const limit = needsProofs(lane) ? proofsPerCall : recordsPerCall;
  const due = fitting(await dueDeliveries(ctx.db, signer, lane, nowMs, limit));
  if (due.length === 0) return 0;
  let results: Result[];
  try {
    // A signer that has not proven a deposit at once may not know whose address it is: it was away when it was issued.
    await bindAddresses(
      ctx,
      panel,
      signer,
      due.filter(({ attempts }) => attempts > 0),
    );
    results = await judge(panel, signer, due);
  } catch (error) {
    await putOff(
      ctx.db,
      signer,
      due.map((delivery) => delivery.record_id),
      ctx.now(),
    );
    throw error;
  }
  const verdicts = due.map((delivery, at) => verdictOf(delivery, results[at]!, nowMs));
  const first = verdicts.findIndex(({ state }) => state === 'pending');
  // Behind a batch of trades that waits nothing was judged: what comes after it is due as soon as it has passed.
  const saved = isOrdered(lane) && first !== -1 ? verdicts.slice(0, first + 1) : verdicts;
  await ctx.db.transaction(async (sql) => {
    await saveVerdicts(sql, signer, saved);
    await raiseAlarms(ctx, sql, { signer, lane, due, verdicts: saved, results, nowMs });
    ctx.step('tell-before-commit');
  });
  ctx.step('tell-after-commit');
  // Records that must wait are no work: the loop may pause.
  return saved.filter(({ state }) => state !== 'pending').length;
}

/**
 * Tells every signer that answers all that is due, for two seconds at the most: one that is slow or away must not hold up
 * the others' payments, and hears the rest from its own loops.
 */
export async function deliverToAll(ctx: Context, panel: SignerPanel, lanes: readonly string[]): Promise<void> {
  const endsAtMs = ctx.now() + tellMsMax;
  const tell = async (signer: string, lane: string): Promise<void> => {
    try {
      while (ctx.now() < endsAtMs && (await deliverSignerRecords(ctx, panel, signer, lane)) > 0);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  };
  const all = ctx.config.signers.flatMap(({ id }) => lanes.map((lane) => tell(id, lane)));
  const ended = new AbortController();
  const timer = sleep(tellMsMax, undefined, { signal: ended.signal }).catch(() => undefined);
  await Promise.race([Promise.all(all), timer]).finally(() => ended.abort());
}

type Result = SignerResponse<'/v1/records'>['results'][number];

/** As many of them as one call can carry, and one at least. */
function fitting(due: readonly DueDelivery[]): DueDelivery[] {
  let bytes = 0;
  const end = due.findIndex(({ signed }, at) => {
    bytes += Buffer.byteLength(JSON.stringify(signed));
    return at > 0 && bytes > bytesMax;
  });
  return end === -1 ? [...due] : due.slice(0, end);
}

/** Refusals of a call as a whole that one of its records can be the cause of. */
const aboutContent: ReadonlySet<string> = new Set(['invalid-request', 'body-too-large', 'internal']);

/** One result a record. A record that the signer cannot even read is found by halves, and waits alone. */
async function judge(panel: SignerPanel, signer: string, due: readonly DueDelivery[]): Promise<Result[]> {
  try {
    return await panel.deliverRecords(
      signer,
      due.map(({ signed }) => signed),
    );
  } catch (error) {
    if (!(error instanceof Failure) || !aboutContent.has(error.code)) throw error;
    if (due.length === 1) return [{ state: 'later', code: error.code, message: error.message }];
    const middle = due.length >> 1;
    return [...(await judge(panel, signer, due.slice(0, middle))), ...(await judge(panel, signer, due.slice(middle)))];
  }
}

/** A signer that was away when an address was issued must know whose it is before it can count a deposit there. */
async function bindAddresses(
  ctx: Context,
  panel: SignerPanel,
  signer: string,
  due: readonly DueDelivery[],
): Promise<void> {
  const asked = new Set<string>();
  for (const { signed } of due) {
    if (signed.record.kind !== 'deposit') continue;
    const { network, customer, index, address } = signed.record;
    const name = `${network} ${index}`;
    if (asked.has(name)) continue;
    asked.add(name);
    try {
      const epoch = await epochOfIndex(ctx.db, network, index);
      const attested = await panel.attestAddressBy(signer, { network, customer, index, ...ofEpoch(epoch) });
      if (attested.address !== address) {
        const problem = `${signer} derives ${attested.address}, not ${address}, for ${customer} index ${index} on ${network}`;
        throw new Failure('derivation-mismatch', problem);
      }
      for (const statement of attested.statements) await addStatement(ctx.db, network, index, attested, statement);
    } catch (error) {
      // What the signer says about the deposit itself decides.
      if (!(error instanceof Failure) || error.code === 'signers-unavailable') throw error;
      ctx.log('address-not-bound', { signer, network, index, code: error.code, problem: error.message });
      if (error.code !== 'derivation-mismatch') continue;
      const subject = `${network} addresses of ${signer}`;
      await raiseAlarm(ctx.db, { id: ctx.newId(), code: error.code, subject, message: error.message }, ctx.now());
    }
  }
}

/**
 * Refusals that time mends: a signer that was away counts a credential's delay from its return, so what that credential
 * signed meanwhile comes too early there; changes of a day are capped; and a version of the policy that has a new asset or
 * network takes effect at each signer at its own time.
 */
const passLater: ReadonlySet<string> = new Set([
  'credential-unknown',
  'limit-exceeded',
  'unknown-asset',
  'unknown-network',
]);

/** What the ledger has posted already is never given up, whatever a signer says of it; nor is what only waits. */
function verdictOf({ record_id: recordId, attempts, signed }: DueDelivery, result: Result, nowMs: number): Verdict {
  if (result.state === 'accepted') {
    const effectiveAtMs = result.effective_at_ms === 0 ? null : result.effective_at_ms;
    return { recordId, state: 'accepted', code: null, message: null, effectiveAtMs, nextAttemptAtMs: nowMs };
  }
  const { code, message } = result;
  const isFinal = result.state === 'refused' && signed.record.kind !== 'settlement' && !passLater.has(code);
  const nextAttemptAtMs = nowMs + retryMs(attempts);
  return { recordId, state: isFinal ? 'refused' : 'pending', code, message, effectiveAtMs: null, nextAttemptAtMs };
}

/** From how many attempts on a waiting record is an alarm: what a customer's passkey signs early may wait for its delay. */
function alarmAttempts(ctx: Context, lane: string): number {
  if (lane !== customersLane) return attemptsAlarm;
  const { credentials, delays } = ctx.policy;
  const delayMs = Math.max(credentials.delay_s, delays.loosen_s) * 1_000;
  return attemptsAlarm + Math.ceil((delayMs + dayMs) / retryMaxMs);
}

interface Judged {
  readonly signer: string;
  readonly lane: string;
  readonly due: readonly DueDelivery[];
  /** Of the first so many of `due`. */
  readonly verdicts: readonly Verdict[];
  readonly results: readonly Result[];
  readonly nowMs: number;
}

/** In the transaction of the verdicts: a refusal that is stored was heard. */
async function raiseAlarms(ctx: Context, sql: Sql, judged: Judged): Promise<void> {
  const { signer, lane, due, verdicts, results, nowMs } = judged;
  const longFrom = alarmAttempts(ctx, lane);
  const subject = `${signer} ${lane} waits`;
  let waiting: string | null = null;
  for (const [at, { recordId, state, code, message }] of verdicts.entries()) {
    const { attempts, signed } = due[at]!;
    const what = `a ${signed.record.kind} record: ${code}: ${message}`;
    if (state === 'refused') {
      const alarm = { id: ctx.newId(), code: 'record-refused', subject: `${signer} ${recordId}` };
      await raiseAlarm(sql, { ...alarm, message: `${signer} refuses ${what}` }, nowMs);
    } else if (state === 'pending' && ((isOrdered(lane) && results[at]!.state === 'refused') || attempts >= longFrom)) {
      waiting = `${signer} does not take ${what}`;
    }
  }
  if (waiting !== null) {
    await raiseAlarm(sql, { id: ctx.newId(), code: 'record-waiting', subject, message: waiting }, nowMs);
    return;
  }
  const attemptsMin = isOrdered(lane) ? 1 : longFrom;
  const mayBeOver = verdicts.some(({ state }, at) => state !== 'pending' && due[at]!.attempts >= attemptsMin);
  if (mayBeOver && !(await waitsLong(sql, signer, lane, attemptsMin))) await closeAlarms(sql, subject, nowMs);
}
