import type { Client } from '@holdfast/client/create-client.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import {
  type JudgedWithdrawal,
  type PaymentClass,
  type RecordedWithdrawal,
  type SimulatedAsset,
  simulatePolicy,
} from '@holdfast/core/policy/simulate-policy.ts';
import { given, type OptionValues, type Result } from './command.ts';
import { formatTable } from './format-table.ts';
import { readJson, readPolicyFile } from './policy-file.ts';

type Recorded = RecordedWithdrawal & { readonly decimals: number; readonly state: string };

const classes: readonly PaymentClass[] = ['customer', 'integrator'];

/**
 * `holdfast policy simulate`: recorded withdrawals, once as if customers' passkeys had authorised all of them and once as if
 * only integrators had. Released ones left no money and are not replayed.
 */
export async function policySimulate(
  file: string,
  values: OptionValues,
  openServer: () => { client: Client },
): Promise<Result> {
  const { policy } = readPolicyFile(file);
  const { withdrawals: from, since } = given(values, 'withdrawals', 'since');
  if ((from === undefined) === (since === undefined)) {
    throw new Failure('invalid-request', 'holdfast policy simulate needs --withdrawals or --since, one of them', {
      fix: 'Name a file with a list of the API, - for the standard input, or a time like 2026-01-31T00:00:00Z.',
    });
  }
  const listed = from === undefined ? await fetchSince(openServer, since ?? '') : parseList(readJson(from), from);
  const withdrawals = listed.filter(({ state }) => state !== 'released');
  const simulated = classes.map((name) => ({ class: name, ...simulatePolicy(policy, withdrawals, name) }));
  return {
    json: {
      released: listed.length - withdrawals.length,
      classes: simulated.map(({ class: name, judged, assets }) => ({
        class: name,
        withdrawals: judged.map(({ withdrawal, ...rest }) => ({ id: withdrawal.id, ...rest })),
        assets: assets.map(({ hourMaxBaseUnits, dayMaxBaseUnits, ...rest }) => ({
          ...rest,
          hour_max: String(hourMaxBaseUnits),
          day_max: String(dayMaxBaseUnits),
        })),
      })),
    },
    text:
      withdrawals.length === 0
        ? 'no withdrawals'
        : `${formatJudged(withdrawals, simulated)}\n\n${formatTotals(withdrawals, simulated)}`,
  };
}

async function fetchSince(openServer: () => { client: Client }, since: string): Promise<Recorded[]> {
  const sinceMs = Date.parse(since);
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(since) || Number.isNaN(sinceMs)) {
    throw new Failure('invalid-request', `--since is no time: ${since}`, { fix: 'Like 2026-01-31T00:00:00Z.' });
  }
  const found: Recorded[] = [];
  // Newest first.
  for await (const withdrawal of openServer().client.each('listWithdrawals')) {
    if (Date.parse(withdrawal.created_at) < sinceMs) break;
    found.push(withdrawal);
  }
  return found;
}

function parseList(value: unknown, file: string): Recorded[] {
  const list = Array.isArray(value) ? (value as unknown[]) : (value as { data?: unknown } | null)?.data;
  if (!Array.isArray(list)) throw misfit(file, 'is no list of withdrawals');
  return list.map((entry: unknown, index) => {
    const row = (entry ?? {}) as Record<keyof Recorded, unknown>;
    const text = (field: keyof Recorded, pattern: RegExp): string => {
      const found = row[field];
      if (typeof found !== 'string' || !pattern.test(found)) throw misfit(file, `has no ${field} in entry ${index}`);
      return found;
    };
    if (!Number.isSafeInteger(row.decimals)) throw misfit(file, `has no decimals in entry ${index}`);
    const created = text('created_at', /^[0-9-]{10}T[0-9:.]{8,}Z$/);
    if (Number.isNaN(Date.parse(created))) throw misfit(file, `has no created_at in entry ${index}`);
    return {
      id: text('id', /./),
      network: text('network', /./),
      asset: text('asset', /./),
      amount: text('amount', /^[1-9][0-9]{0,77}$/),
      created_at: created,
      state: text('state', /./),
      decimals: row.decimals as number,
    };
  });
}

function misfit(file: string, what: string): Failure {
  return new Failure('invalid-request', `${file} ${what}`, {
    fix: 'Give it what GET /v1/withdrawals or holdfast withdrawals --json answers.',
  });
}

type Simulated = { class: PaymentClass; judged: JudgedWithdrawal[]; assets: SimulatedAsset[] };

function formatJudged(withdrawals: readonly Recorded[], simulated: readonly Simulated[]): string {
  const decimals = new Map(withdrawals.map((withdrawal) => [withdrawal.id, withdrawal.decimals]));
  const [customer, integrator] = simulated;
  return formatTable(
    [
      { title: 'CREATED' },
      { title: 'ID' },
      { title: 'NETWORK' },
      { title: 'AMOUNT', right: true },
      { title: 'ASSET' },
      { title: 'BY CUSTOMER' },
      { title: 'BY INTEGRATOR ALONE' },
    ],
    (customer?.judged ?? []).map((judged, index) => {
      const { withdrawal } = judged;
      const other = integrator?.judged[index];
      return [
        withdrawal.created_at,
        withdrawal.id,
        withdrawal.network,
        formatUnits(BigInt(withdrawal.amount), decimals.get(withdrawal.id) ?? 0),
        withdrawal.asset,
        verdict(judged),
        other === undefined ? '-' : verdict(other),
      ];
    }),
  );
}

function verdict({ outcome, needed, reason }: JudgedWithdrawal): string {
  if (outcome === 'refused') return `refused: ${reason}`;
  if (outcome === 'passes') return 'passes';
  return `${needed.approvals} approval${needed.approvals === 1 ? '' : 's'}${needed.offline === 0 ? '' : `, ${needed.offline} offline`}`;
}

function formatTotals(withdrawals: readonly Recorded[], simulated: readonly Simulated[]): string {
  const decimalsOf = (asset: SimulatedAsset): number =>
    withdrawals.find((entry) => entry.network === asset.network && entry.asset === asset.asset)?.decimals ?? 0;
  const right = true;
  return formatTable(
    [
      { title: 'CLASS' },
      { title: 'NETWORK' },
      { title: 'ASSET' },
      { title: 'PASS', right },
      { title: 'APPROVALS', right },
      { title: 'REFUSED', right },
      { title: 'FULLEST HOUR', right },
      { title: 'OF', right },
      { title: 'FULLEST DAY', right },
      { title: 'OF', right },
    ],
    simulated.flatMap(({ class: name, assets }) =>
      assets.map((asset) => {
        const units = (amount: bigint | string | undefined): string =>
          amount === undefined ? '-' : formatUnits(BigInt(amount), decimalsOf(asset));
        return [
          name,
          asset.network,
          asset.asset,
          String(asset.passes),
          String(asset.approvals),
          String(asset.refused),
          units(asset.hourMaxBaseUnits),
          units(asset.limits?.per_hour_max),
          units(asset.dayMaxBaseUnits),
          units(asset.limits?.per_day_max),
        ];
      }),
    ),
  );
}
