import Type, { type TObject, type TSchema } from 'typebox';
import { pageQuery } from './page.ts';

export const scopes = [
  'read',
  'customers',
  'addresses',
  'withdrawals',
  'webhooks',
  /** Passes on what approvers, operators and administrators signed; their evidence counts, not this key. */
  'approvals',
  'halts',
  'policies',
  'settlements',
  /** Changes what customers are charged. */
  'fees',
  /** What an operator starts and that pays nobody: rescans, questions to the nodes. */
  'operations',
  /** Closes alarms that wait for a decision: credits and payments may go on by it. Not for an integrator's key. */
  'alarms',
] as const;
export type Scope = (typeof scopes)[number];

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With `{name}` for each member of `params`. */
  readonly path: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly params?: TObject;
  readonly query?: TObject;
  readonly body?: TObject;
  readonly status: 200 | 201 | 202 | 204;
  /** Absent for 204. */
  readonly response?: TSchema;
}

export const Id = Type.Object({ id: Type.String({ maxLength: 80 }) }, { additionalProperties: false });
/** A list's query: its filters beside the page's own. */
export const query = <P extends Record<string, TSchema>>(filters: P) =>
  Type.Object({ ...pageQuery, ...filters }, { additionalProperties: false });
