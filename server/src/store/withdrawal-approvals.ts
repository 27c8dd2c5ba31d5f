import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import type { Sql } from './database.ts';

/** Keeps approvers' assertions of a withdrawal; one a credential, the first stays. */
export async function insertApprovals(
  sql: Sql,
  withdrawalId: string,
  approvals: readonly Assertion[],
  nowMs: number,
): Promise<void> {
  for (const approval of approvals) {
    await sql.query(
      `insert into withdrawal_approval (withdrawal_id, credential_id, assertion, created_at_ms) values ($1, $2, $3::jsonb, $4)
       on conflict do nothing`,
      [withdrawalId, approval.credential_id, JSON.stringify(approval), nowMs],
    );
  }
}
