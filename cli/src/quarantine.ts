import { randomBytes } from 'node:crypto';
import type { Client } from '@holdfast/client/create-client.ts';
import { ReleaseDepositBody } from '@holdfast/core/contract/bodies.ts';
import type { DepositResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import type { ReleaseRecord } from '@holdfast/core/signing/customer-record.ts';
import { type FileCommand, given, type Result } from './command.ts';
import { formatTable, printable } from './format-table.ts';
import { listOptions, more, pageOf } from './list-options.ts';
import { readJsonFile } from './read-json-file.ts';

/** `holdfast quarantine`: what is set aside, and what approvers decide about it. */
export const quarantine: FileCommand = {
  summary: 'deposits that are set aside; approvers credit or keep them',
  usage: [
    '[--customer ID] [--network ID] [--asset CODE]      lists them',
    'record DEPOSIT credit|keep --reason TEXT           the record that approvers sign, with its challenge',
    'hand-in DEPOSIT FILE                               a file with `record` and `approvals`',
  ],
  options: { ...listOptions, reason: { type: 'string' } },
  async run([action, ...rest], values, openServer) {
    if (action === undefined) {
      const filter = given(values, 'customer', 'network', 'asset', 'cursor');
      return listed(openServer().client, { ...filter, ...pageOf(values) });
    }
    const [deposit, last] = rest;
    if (deposit === undefined || last === undefined || rest.length > 2) {
      throw new Failure('invalid-request', 'usage: holdfast quarantine record|hand-in DEPOSIT ...');
    }
    if (action === 'hand-in') return handIn(openServer().client, deposit, last);
    if (action !== 'record' || (last !== 'credit' && last !== 'keep')) {
      throw new Failure('invalid-request', 'usage: holdfast quarantine record DEPOSIT credit|keep --reason TEXT');
    }
    const { reason } = given(values, 'reason');
    if (reason === undefined) throw new Failure('invalid-request', '--reason is what approvers read, and the auditor');
    return recordOf(await openServer().client.getDeposit({ id: deposit }), last, reason);
  },
};

async function listed(client: Client, filter: Parameters<Client['listDeposits']>[0]): Promise<Result> {
  const list = await client.listDeposits({ ...filter, state: 'quarantined' });
  const table = formatTable(
    [
      { title: 'SEEN' },
      { title: 'ID' },
      { title: 'CUSTOMER' },
      { title: 'AMOUNT', right: true },
      { title: 'ASSET' },
      { title: 'REASON' },
      { title: 'TRANSACTION' },
    ],
    list.data.map((deposit) => [
      deposit.seen_at,
      deposit.id,
      deposit.customer,
      formatUnits(BigInt(deposit.amount), deposit.decimals),
      deposit.asset,
      deposit.reason ?? '',
      `${deposit.txid} ${deposit.index}`,
    ]),
  );
  return { json: list, text: list.data.length === 0 ? 'nothing is in quarantine' : table + more(list) };
}

function recordOf(deposit: DepositResource, decision: ReleaseRecord['decision'], reason: string): Result {
  const { customer, network, asset, amount, address, txid, index, block_hash } = deposit;
  const about = { customer, network, asset, amount, address, txid, index, block_hash };
  const nonce = randomBytes(12).toString('hex');
  const record: ReleaseRecord = { version: 1, kind: 'release', decision, ...about, reason, nonce };
  const digest = Buffer.from(customerRecordDigestBytes({ record }));
  const json = { record, digest: digest.toString('hex'), challenge: digest.toString('base64url') };
  return { json, text: JSON.stringify(json, null, 2) };
}

async function handIn(client: Client, id: string, file: string): Promise<Result> {
  const deposit = await client.releaseDeposit({ id, ...readJsonFile(file, ReleaseDepositBody) });
  return { json: deposit, text: printable(`${deposit.id} is ${deposit.state}`) };
}
