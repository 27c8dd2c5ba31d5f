import type { AuditProblem } from '@holdfast/core/audit/signer-files.ts';
import type { AuditReport } from '@holdfast/core/audit/verify-signer-logs.ts';
import { formatTable, printable } from './format-table.ts';

const problemsMax = 200;

/**
 * The report for people: signers, who signed what from which evidence, and what does not hold.
 * @param ceremony the digest that was compared out of band; null when none was given.
 */
export function auditText(report: AuditReport, ceremony: string | null): string {
  const parts = [signersTable(report), transactionsTable(report)];
  if (report.notes.length > 0) parts.push(['Notes', ...lines(report.notes)].join('\n'));
  if (report.problems.length > 0) parts.push(['Problems', ...lines(report.problems)].join('\n'));
  parts.push(
    report.problems.length === 0
      ? wholeText(report, ceremony)
      : `audit-invalid: ${report.problems.length} problem${report.problems.length === 1 ? '' : 's'}. Keep the files as they are.`,
  );
  return parts.join('\n\n');
}

/** No more than what was given can show. */
function wholeText({ signers }: AuditReport, ceremony: string | null): string {
  const but = [
    ...(ceremony === null
      ? ['the ceremony was compared with nothing: files that were made up whole would pass too']
      : []),
    ...(signers.length > 1
      ? []
      : ['no other folder was held against this one: a journal cut at its end would pass too']),
  ];
  if (but.length === 0) return 'Everything holds: these transactions are all that these signers signed.';
  const fix = [...(ceremony === null ? ['--ceremony'] : []), ...(signers.length > 1 ? [] : ['the other folders'])];
  return `No problem was found, but ${but.join('; and ')}. Give ${fix.join(' and ')}.`;
}

function signersTable({ signers }: AuditReport): string {
  const table = formatTable(
    [
      { title: 'SIGNER' },
      { title: 'RECORDS', right: true },
      { title: 'CHECKPOINTS', right: true },
      { title: 'COSIGNED TO', right: true },
      { title: 'POLICIES', right: true },
      { title: 'FROM' },
      { title: 'TO' },
      { title: 'FOLDER' },
    ],
    signers.map((one) => [
      one.signer === '' ? '?' : one.signer,
      String(one.records),
      String(one.checkpoints),
      one.cosignedRecords === 0 ? '-' : String(one.cosignedRecords),
      String(one.policies),
      timeText(one.firstAtMs),
      timeText(one.lastAtMs),
      one.folder,
    ]),
  );
  const ceremonies = [...new Set(signers.map(({ ceremony }) => ceremony ?? 'none that can be read'))];
  return `${table}\n\nCeremony ${ceremonies.join(', ')}`;
}

function transactionsTable({ transactions }: AuditReport): string {
  if (transactions.length === 0) return 'No transaction was accepted.';
  const rows = transactions.flatMap((one) => {
    const head = [timeText(one.atMs), one.network, one.txid];
    const tail = [one.signedBy.length === 0 ? 'nobody' : one.signedBy.join(' '), one.acceptedBy.join(' ')];
    const payments = one.payments.map((payment) => [
      ...head,
      payment.amount.toString(),
      payment.asset,
      payment.destination,
      payment.customer === '' ? one.kind : payment.customer,
      payment.authorizedBy,
      payment.approvedBy.length === 0 ? '-' : payment.approvedBy.join(' '),
      ...tail,
    ]);
    const change = one.change.map(({ address, amount }) => [
      ...head,
      amount.toString(),
      '(change)',
      address,
      'change',
      '-',
      '-',
      ...tail,
    ]);
    const none = [...head, '-', '-', '-', one.kind, 'policy', '-', ...tail];
    return payments.length + change.length === 0 ? [none] : [...payments, ...change];
  });
  return formatTable(
    [
      { title: 'TIME' },
      { title: 'NETWORK' },
      { title: 'TRANSACTION' },
      { title: 'AMOUNT', right: true },
      { title: 'ASSET' },
      { title: 'DESTINATION' },
      { title: 'CUSTOMER' },
      { title: 'AUTHORISED BY' },
      { title: 'APPROVED BY' },
      { title: 'SIGNED BY' },
      { title: 'ACCEPTED BY' },
    ],
    rows,
  );
}

function lines(problems: readonly AuditProblem[]): string[] {
  const shown = problems.slice(0, problemsMax).map(({ folder, file, record, message }) => {
    return printable(`  ${folder}/${file}${record === null ? '' : `:${record}`} ${message}`);
  });
  return problems.length > problemsMax ? [...shown, `  and ${problems.length - problemsMax} more`] : shown;
}

function timeText(ms: number): string {
  return ms > 0 && ms < 8.64e15 ? new Date(ms).toISOString() : '-';
}
