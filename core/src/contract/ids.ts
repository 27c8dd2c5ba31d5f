import { Failure } from '../failure.ts';
import { invariant } from '../invariant.ts';

/** What each resource's id starts with. The rest is `_` and a lower-case UUIDv7. */
export const idPrefixes = {
  customer: 'cus',
  deposit: 'dep',
  withdrawal: 'wd',
  depositAddress: 'addr',
  transaction: 'tx',
  event: 'evt',
  webhookEndpoint: 'whk',
  delivery: 'dlv',
  alarm: 'alm',
  customerRecord: 'rec',
  feeSchedule: 'fsc',
  quote: 'quo',
  recoverable: 'rcv',
  rescan: 'rsc',
  unconfirmedDeposit: 'ucd',
} as const;

export type IdPrefix = (typeof idPrefixes)[keyof typeof idPrefixes];

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The public id of a stored uuid: `formatId('cus', '0199...')` is `cus_0199...`. */
export function formatId(prefix: IdPrefix, uuid: string): string {
  invariant(uuidV7.test(uuid), `not a lower-case UUIDv7: ${uuid}`);
  return `${prefix}_${uuid}`;
}

/**
 * The uuid inside a public id.
 * @param pointer where a body or query named it; without it the id came from the path.
 * @throws Failure invalid-request (with the pointer) or, for a path, not-found when it is no id of this kind.
 */
export function parseId(prefix: IdPrefix, text: string, pointer?: string): string {
  const uuid = text.startsWith(`${prefix}_`) ? text.slice(prefix.length + 1) : '';
  if (uuidV7.test(uuid)) return uuid;
  const message = `not an id of the form ${prefix}_<uuid>: ${text.slice(0, 80)}`;
  if (pointer === undefined) throw new Failure('not-found', message);
  throw new Failure('invalid-request', message, { pointer });
}

const prefixOfResource: Readonly<Record<string, IdPrefix>> = {
  customer: 'cus',
  deposit: 'dep',
  withdrawal: 'wd',
  deposit_address: 'addr',
  transaction: 'tx',
  webhook_endpoint: 'whk',
  alarm: 'alm',
  customer_record: 'rec',
  fee_schedule: 'fsc',
};

/** The public id of a resource named by its kind, as events name it. @throws InvariantError for an unknown kind. */
export function formatResourceId(resource: string, uuid: string): string {
  const prefix = prefixOfResource[resource];
  invariant(prefix !== undefined, `no id prefix for ${resource}`);
  return formatId(prefix, uuid);
}
