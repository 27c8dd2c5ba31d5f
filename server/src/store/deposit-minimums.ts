import type { Sql } from './database.ts';

export interface Judged {
  readonly id: string;
  readonly below_minimum: boolean;
}

/**
 * Judges deposits that are deep enough at `tipHeight` by the minimum: one below it waits until what waits at its address, all together,
 * reaches it, or until it is claimed. The lower counts of the minimum that it was seen under and the one in force, so that a
 * raised minimum keeps nothing back that was on its way. Looked at are addresses with something new, and all that waits when
 * a version came into force.
 * @returns those whose judgement changed.
 */
export async function judgeMinimums(sql: Sql, network: string, tipHeight: number, nowMs: number): Promise<Judged[]> {
  return sql.query<Judged>(
    `with in_force as (
       select distinct on (asset) asset, id, deposit_minimum from fee_schedule
        where network = $1 and valid_from_ms <= $3 order by asset, version desc),
     groups as (
       select address_id, asset from deposit
        where network = $1 and state = 'seen' and below_minimum is null and height + confirmations_required - 1 <= $2
       union
       select d.address_id, d.asset from in_force f join deposit d on d.network = $1 and d.asset = f.asset
        where d.state = 'seen' and d.below_minimum and (d.judged_by < f.id or d.judged_by > f.id)),
     open as (
       select d.id, d.address_id, d.asset, d.amount, d.claim_id, d.below_minimum as was, f.id as judged_by,
              least(coalesce(s.deposit_minimum, 0), coalesce(f.deposit_minimum, 0)) as minimum
         from groups g join deposit d on d.address_id = g.address_id and d.asset = g.asset
         left join in_force f on f.asset = d.asset left join fee_schedule s on s.id = d.schedule_id
        where d.network = $1 and d.state = 'seen' and d.height + d.confirmations_required - 1 <= $2),
     judged as (
       select id, judged_by, minimum, was,
              claim_id is null and amount < minimum
                and sum(amount) filter (where amount < minimum) over (partition by address_id, asset) < minimum as below
         from open),
     changed as (
       update deposit d set below_minimum = j.below, judged_by = j.judged_by,
              reason = case when j.below then 'below-minimum: waits until its address has ' || j.minimum || ' or it is claimed' else null end
         from judged j
        where d.id = j.id and (d.below_minimum, d.judged_by) is distinct from (j.below, j.judged_by)
       returning d.id, d.below_minimum, j.was)
     select id, below_minimum from changed where was is distinct from below_minimum order by id`,
    [network, tipHeight, nowMs],
  );
}

/** Deposits of a block that has left the chain are judged anew when they come back. */
export async function forgetJudgements(sql: Sql, ids: readonly string[]): Promise<void> {
  await sql.query(
    'update deposit set below_minimum = null, judged_by = null, reason = null where id = any ($1) and below_minimum is not null',
    [ids],
  );
}

export interface SmallDeposit {
  readonly id: string;
  readonly network: string;
  readonly asset: string;
  readonly customer_id: string;
  readonly address_id: string;
  readonly amount: bigint;
  readonly state: 'seen';
  readonly credits: number;
  readonly release_id: string | null;
}

/** What waits below the minimum for a customer, locked. */
export async function lockSmall(sql: Sql, customerId: string, network: string, asset: string): Promise<SmallDeposit[]> {
  return sql.query<SmallDeposit>(
    `select id, network, asset, customer_id, address_id, amount, state, credits, release_id from deposit
      where customer_id = $1 and network = $2 and asset = $3 and state = 'seen' and below_minimum order by id for update`,
    [customerId, network, asset],
  );
}

export interface ClaimRow {
  readonly id: string;
  readonly client_reference: string;
  readonly customer_id: string;
  readonly network: string;
  readonly asset: string;
  readonly cost: bigint;
  readonly cost_asset: string;
  readonly created_at_ms: bigint;
}

export async function claimByReference(
  sql: Sql,
  clientReference: string,
): Promise<(ClaimRow & { readonly amount: bigint; readonly deposits: string[] }) | null> {
  const [row] = await sql.query<ClaimRow & { amount: bigint; deposits: string[] }>(
    `select c.id, c.client_reference, c.customer_id, c.network, c.asset, c.cost, c.cost_asset, c.created_at_ms,
            coalesce(sum(d.amount), 0) as amount, coalesce(array_agg(d.id::text order by d.id), '{}') as deposits
       from deposit_claim c left join deposit d on d.claim_id = c.id where c.client_reference = $1 group by c.id`,
    [clientReference],
  );
  return row ?? null;
}

/** @returns false when the client_reference is taken. */
export async function insertClaim(
  sql: Sql,
  claim: ClaimRow & { readonly created_by: string },
  depositIds: readonly string[],
): Promise<boolean> {
  const rows = await sql.query(
    `insert into deposit_claim (id, client_reference, customer_id, network, asset, cost, cost_asset, created_by, created_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing returning id`,
    [
      claim.id,
      claim.client_reference,
      claim.customer_id,
      claim.network,
      claim.asset,
      claim.cost,
      claim.cost_asset,
      claim.created_by,
      claim.created_at_ms,
    ],
  );
  if (rows.length === 0) return false;
  await sql.query('update deposit set claim_id = $2, below_minimum = false, reason = null where id = any ($1)', [
    depositIds,
    claim.id,
  ]);
  return true;
}
