import type { AddressOwner } from '@holdfast/core/deposits/decide-block.ts';
import type { Sql } from './database.ts';

export interface DepositAddressRow {
  readonly id: string;
  readonly customer_id: string;
  readonly network: string;
  readonly derivation_index: bigint;
  readonly address: string;
  readonly watch_key: string;
  readonly state: 'pending' | 'active' | 'superseded' | 'retired';
  readonly epoch: number;
  /** The signers that vouch for it. */
  readonly statements: readonly AddressAttestation[];
  readonly created_at_ms: bigint;
}

export interface AddressAttestation {
  readonly signer: string;
  /** Ed25519 over the address statement, hex. */
  readonly signature: string;
}

const columns =
  'id, customer_id, network, derivation_index, address, watch_key, state, epoch, statements, created_at_ms';

/** The customer's address on a network of a key epoch, pending ones included. */
export async function currentAddress(
  sql: Sql,
  customerId: string,
  network: string,
  epoch: number,
): Promise<DepositAddressRow | null> {
  const [row] = await sql.query<DepositAddressRow>(
    `select ${columns} from deposit_address where customer_id = $1 and network = $2 and state in ('pending', 'active') and epoch = $3 order by id desc limit 1`,
    [customerId, network, epoch],
  );
  return row ?? null;
}

/** New addresses of a network are derived one after the other, and none while its keys change. */
export async function lockAddresses(sql: Sql, network: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('deposit-address:' || $1, 0))`, [network]);
}

/** Addresses of earlier epochs are not shown as current any more; they stay watched. */
export async function supersedeAddresses(sql: Sql, network: string, epoch: number): Promise<void> {
  await sql.query(
    `update deposit_address set state = 'superseded' where network = $1 and epoch < $2 and state = 'active'`,
    [network, epoch],
  );
}

/** Allots the next derivation index of a network; holds the network's address lock from then on. */
export async function nextDerivationIndex(sql: Sql, network: string): Promise<number> {
  await lockAddresses(sql, network);
  const [row] = await sql.query<{ next: bigint }>(
    `select coalesce(max(derivation_index) + 1, 0)::bigint as next from deposit_address where network = $1`,
    [network],
  );
  return Number(row!.next);
}

export async function insertAddress(
  sql: Sql,
  row: Omit<DepositAddressRow, 'derivation_index' | 'created_at_ms' | 'statements'> & {
    index: number;
    nowMs: number;
  },
): Promise<void> {
  await sql.query(
    `insert into deposit_address (id, customer_id, network, derivation_index, address, watch_key, state, epoch, created_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [row.id, row.customer_id, row.network, row.index, row.address, row.watch_key, row.state, row.epoch, row.nowMs],
  );
}

/** The signers vouch for a pending address: it may be told. */
export async function activateAddress(
  sql: Sql,
  id: string,
  epoch: number,
  statements: readonly AddressAttestation[],
): Promise<void> {
  // The keys may have changed since: then it was never current, and is watched like those that were.
  await sql.query(
    `update deposit_address set state = case when exists (select from wallet_key k where k.network = deposit_address.network and k.epoch > $2) then 'superseded' else 'active' end,
            statements = $3::jsonb where id = $1 and epoch = $2 and state = 'pending'`,
    [id, epoch, JSON.stringify(statements)],
  );
}

/** Of the keys that an index hangs on; 1 for one that was never allotted. */
export async function epochOfIndex(sql: Sql, network: string, index: number): Promise<number> {
  const [row] = await sql.query<{ epoch: number }>(
    'select epoch from deposit_address where network = $1 and derivation_index = $2',
    [network, index],
  );
  return row?.epoch ?? 1;
}

/**
 * Adds the statement of a signer that was away when the address was issued. One about another address or epoch than the
 * row's is not taken: it would keep the right one out.
 */
export async function addStatement(
  sql: Sql,
  network: string,
  index: number,
  about: { readonly address: string; readonly epoch: number },
  statement: AddressAttestation,
): Promise<void> {
  await sql.query(
    `update deposit_address set statements = statements || $3::jsonb
      where network = $1 and derivation_index = $2 and state <> 'pending' and not statements @> $4::jsonb
        and address = $5 and epoch = $6`,
    [
      network,
      index,
      JSON.stringify([statement]),
      JSON.stringify([{ signer: statement.signer }]),
      about.address,
      about.epoch,
    ],
  );
}

/**
 * Which of the keys (lower-case addresses or scripts in hex) are deposit addresses of the network. Pending ones count:
 * an address that was derived but not yet returned may have been guessed from the chain's point of view.
 */
export async function ownersOfKeys(
  sql: Sql,
  network: string,
  keys: readonly string[],
): Promise<Map<string, AddressOwner & { kind: 'deposit'; address: string }>> {
  if (keys.length === 0) return new Map();
  const rows = await sql.query<{ watch_key: string; id: string; customer_id: string; address: string }>(
    'select watch_key, id, customer_id, address from deposit_address where network = $1 and watch_key = any ($2)',
    [network, keys],
  );
  return new Map(
    rows.map((row) => [
      row.watch_key,
      { kind: 'deposit', addressId: row.id, customerId: row.customer_id, address: row.address },
    ]),
  );
}

/** The same on other networks, where an address may be the same as on this one. */
export async function ownersElsewhere(
  sql: Sql,
  networks: readonly string[],
  keys: readonly string[],
): Promise<Map<string, AddressOwner>> {
  if (keys.length === 0 || networks.length === 0) return new Map();
  const rows = await sql.query<{ watch_key: string; id: string; customer_id: string }>(
    `select distinct on (watch_key) watch_key, id, customer_id from deposit_address
      where network = any ($1) and watch_key = any ($2) order by watch_key, id`,
    [networks, keys],
  );
  return new Map(
    rows.map((row) => [
      row.watch_key,
      { kind: 'deposit', addressId: row.id, customerId: row.customer_id, elsewhere: true },
    ]),
  );
}

/** Addresses that ever received anything on a network: all that can hold coins. */
export async function addressesWithDeposits(sql: Sql, network: string): Promise<string[]> {
  const rows = await sql.query<{ address: string }>(
    'select distinct a.address from deposit_address a join deposit d on d.address_id = a.id where d.network = $1 order by 1',
    [network],
  );
  return rows.map((row) => row.address);
}

/** Every watch key of a network, for a reading of the whole wallet. */
export async function allWatchKeys(sql: Sql, network: string): Promise<string[]> {
  const rows = await sql.query<{ watch_key: string }>(
    'select watch_key from deposit_address where network = $1 order by id',
    [network],
  );
  return rows.map((row) => row.watch_key);
}

/** Derivation index and key epoch of each address id. */
export async function derivations(
  sql: Sql,
  network: string,
  ids: readonly string[],
): Promise<Map<string, { index: number; epoch: number }>> {
  if (ids.length === 0) return new Map();
  const rows = await sql.query<{ id: string; derivation_index: bigint; epoch: number }>(
    'select id, derivation_index, epoch from deposit_address where network = $1 and id = any ($2)',
    [network, ids],
  );
  return new Map(rows.map((row) => [row.id, { index: Number(row.derivation_index), epoch: row.epoch }]));
}
