/** Name of an entry in `JournalState.positions`. @param code the policy's asset code. */
export function positionKey(customer: string, code: string): string {
  return `${customer} ${code}`;
}
