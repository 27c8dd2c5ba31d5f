import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';

/** Lane of the passkeys and address books. */
export const customersLane = 'customers';
export const adjustmentsLane = 'adjustments';
export const releasesLane = 'releases';
/** An engine's batches count in their sequence only. */
export const settlementsLane = (engineKey: string): string => `settlements ${engineKey}`;
/** A network whose nodes do not answer holds up its own deposits alone. */
export const depositsLane = (network: string): string => `deposits ${network}`;

/** Which of a signer's records wait for each other: lanes are told apart, in calls of their own. */
export function laneOf({ record }: CustomerRecord): string {
  if (record.kind === 'settlement') return settlementsLane(record.engine);
  if (record.kind === 'deposit') return depositsLane(record.network);
  if (record.kind === 'release') return releasesLane;
  return record.kind === 'adjustment' ? adjustmentsLane : customersLane;
}

/** Whether a record of the lane can pass only after all before it. */
export const isOrdered = (lane: string): boolean => lane.startsWith(settlementsLane(''));

/** Whether a signer asks its nodes about the lane's records. */
export const needsProofs = (lane: string): boolean => lane.startsWith(depositsLane(''));
