import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WithdrawalResource } from '@holdfast/core/contract/resources.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import type { Devnet } from '../devnet.ts';
import { evmNetworkId } from '../configure.ts';
import { mine, reorg } from '../evm/payments.ts';
import {
  addDestination,
  assetsOf,
  type AssetName,
  awaitDeposit,
  awaitWithdrawal,
  type Customer,
  decimalsOf,
  enrolCustomer,
  joinCustomer,
  outsideAddress,
  payDeposit,
  requestWithdrawal,
} from './actors.ts';
import { haltAndResume, largeDeposit, payWithApprovals } from './approvals-and-halts.ts';
import { awaitCondition } from './await-condition.ts';

export interface StoryRow {
  readonly step: string;
  readonly seconds: number;
  readonly detail: string;
}

export interface StoryResult {
  readonly rows: readonly StoryRow[];
  readonly payouts: readonly { withdrawal: WithdrawalResource; feePaid: string }[];
}

interface StoryCustomer extends Customer {
  /** Addresses of the world outside in the customer's address book. */
  readonly destinations: ReadonlyMap<AssetName, string>;
}

const names = ['Alice', 'Bob', 'Carol'] as const;
const deposits: Readonly<Record<AssetName, string>> = { BTC: '0.25', ETH: '1.5', USDT: '2500', USDC: '1800' };
const withdrawals: Readonly<Record<AssetName, string>> = { BTC: '0.1', ETH: '0.6', USDT: '1000', USDC: '700' };

/** Plays the whole system through once; every step throws when what it tells did not happen. */
export async function tellStory(devnet: Devnet, tell: (line: string) => void): Promise<StoryResult> {
  const rows: StoryRow[] = [];
  const run = randomBytes(4).toString('hex');
  const step = async <T>(title: string, work: () => Promise<{ detail: string; value: T }>): Promise<T> => {
    tell(`… ${title}`);
    const started = performance.now();
    const { detail, value } = await work();
    const seconds = (performance.now() - started) / 1000;
    rows.push({ step: title, seconds, detail });
    tell(`✓ ${title}: ${detail} (${seconds.toFixed(1)} s)`);
    return value;
  };
  const assets = assetsOf(devnet);

  await step('Two administrators signed the policy, three signers accepted it', () => tellPolicy(devnet));
  const customers = await step('Three customers get addresses that the signers vouch for', () =>
    joinEverybody(devnet, run),
  );
  await step('Each enrols a passkey and fills an address book', () => prepareEverybody(devnet, customers, assets));
  await step('Coins arrive on the chains and are credited once', () => payEverybody(devnet, customers, assets));
  const paid = await step('Each customer withdraws each asset by passkey; two of three signers sign', () =>
    withdrawEverything(devnet, customers, assets),
  );
  const [alice, bob, carol] = customers as [StoryCustomer, StoryCustomer, StoryCustomer];
  await step('A large withdrawal waits for two approvers', () =>
    payWithApprovals(devnet, alice, alice.destinations.get('ETH')!),
  );
  await step('One signer is stopped: withdrawals still go through, up to the degraded limit', async () => {
    await devnet.signer('signer-3').stop();
    const done = await withdrawOne(devnet, alice, assets, 'settled');
    return { detail: `${done.length} settled with signer-1 and signer-2`, value: undefined };
  });
  await step('Two signers are stopped: withdrawals wait, and go on when they are back', () =>
    waitForSigners(devnet, bob),
  );
  await step('A token halts every signer; approvers resume', () =>
    haltAndResume(devnet, carol, carol.destinations.get('ETH')!),
  );
  await step('A reorg removes a deposit: it is reversed', () => reverseDeposit(devnet, carol));
  await step('The books balance', () => balanceBooks(devnet));
  const fees = new Map(
    (await devnet.client.listTransactions({ limit: 200 })).data.map((transaction) => [transaction.txid, transaction]),
  );
  const payouts = paid.map((withdrawal) => {
    const transaction = fees.get(withdrawal.txid);
    const native = withdrawal.asset === 'BTC' ? 'BTC' : 'ETH';
    const share = BigInt(transaction?.fee ?? '0') / BigInt(transaction?.withdrawals || 1);
    return { withdrawal, feePaid: `${formatUnits(share, decimalsOf[native])} ${native}` };
  });
  return { rows, payouts };
}

async function tellPolicy(devnet: Devnet) {
  const { policy, signatures } = devnet.first;
  const held = await awaitCondition('every signer holding the policy', async () => {
    const { data } = await devnet.client.listPolicies();
    return data.length === 3 && data.every(({ version }) => version !== null) && data;
  });
  const names = new Set(held.map(({ version, digest }) => `version ${version} ${digest?.slice(0, 12)}…`));
  if (names.size !== 1) throw new Error(`the signers hold different policies: ${[...names].join(', ')}`);
  const { keys, quorum } = policy.administrators;
  return {
    detail:
      `${[...names].join()} by ${signatures.length} of ${keys.length} administrators (quorum ${quorum}); ` +
      `ceremony ${devnet.ceremony.slice(0, 12)}…`,
    value: undefined,
  };
}

async function joinEverybody(devnet: Devnet, run: string) {
  const assets = assetsOf(devnet);
  // All signers must have made the threshold key; on a first start that is under way.
  const joined = await awaitCondition(
    'addresses',
    () => Promise.all(names.map((name) => joinCustomer(devnet, name, `story-${run}-${name.toLowerCase()}`))),
    20_000,
  );
  const value: StoryCustomer[] = await Promise.all(
    joined.map(async (customer) => {
      const entries = assets.map(async (asset) => [asset, await outsideAddress(devnet, asset)] as const);
      return { ...customer, destinations: new Map(await Promise.all(entries)) };
    }),
  );
  const shown = value.map(
    ({ name, addresses }) =>
      `${name} ${[...addresses.values()].map((address) => `${address.slice(0, 10)}…`).join(' ')}`,
  );
  return { detail: shown.join(', '), value };
}

async function prepareEverybody(devnet: Devnet, customers: readonly StoryCustomer[], assets: readonly AssetName[]) {
  await Promise.all(customers.map((customer) => enrolCustomer(devnet, customer)));
  await Promise.all(
    customers.flatMap((customer) =>
      assets.map((asset) => addDestination(devnet, customer, asset, customer.destinations.get(asset)!)),
    ),
  );
  const { credentials, delays, destinations } = devnet.first.policy;
  // A first passkey counts as late as a looser policy would.
  const passkeysS = Math.max(credentials.delay_s, delays.loosen_s);
  return {
    detail: `${customers.length} passkeys after ${passkeysS} s, ${customers.length * assets.length} addresses after ${destinations.delay_s} s`,
    value: undefined,
  };
}

async function payEverybody(devnet: Devnet, customers: readonly Customer[], assets: readonly AssetName[]) {
  const due: { customer: Customer; txid: string }[] = [];
  for (const customer of customers) {
    for (const asset of assets)
      due.push({ customer, txid: await payDeposit(devnet, customer, asset, deposits[asset]) });
    due.push({ customer, txid: await payDeposit(devnet, customer, 'ETH', '0.5', 'contract') });
  }
  due.push({ customer: customers[0]!, txid: await payDeposit(devnet, customers[0]!, 'ETH', largeDeposit) });
  const credited = await Promise.all(due.map(({ customer, txid }) => awaitDeposit(devnet, customer, txid, 'credited')));
  const txids = new Set(credited.map((deposit) => deposit.txid));
  if (txids.size !== due.length) throw new Error(`${due.length} payments made ${txids.size} credited deposits`);
  return { detail: `${credited.length} deposits of ${assets.join(', ')}, ETH also from a contract`, value: undefined };
}

async function withdrawEverything(devnet: Devnet, customers: readonly StoryCustomer[], assets: readonly AssetName[]) {
  // What the vault pays must have been collected from the forwarders.
  await awaitCollected(devnet);
  const requested = await Promise.all(
    customers.flatMap((customer) =>
      assets.map((asset) => withdrawByPasskey(devnet, customer, asset, withdrawals[asset])),
    ),
  );
  const value = await Promise.all(requested.map((withdrawal) => awaitWithdrawal(devnet, withdrawal.id, 'settled')));
  return {
    detail: `${value.length} withdrawals in ${new Set(value.map((withdrawal) => withdrawal.txid)).size} transactions`,
    value,
  };
}

async function awaitCollected(devnet: Devnet): Promise<void> {
  await awaitCondition('sweep of the forwarders', async () => {
    const sweeps = (await devnet.client.listTransactions({ kind: 'sweep', limit: 200 })).data;
    const deposited =
      (await devnet.client.listDeposits({ network: evmNetworkId, state: 'credited', limit: 1 })).data.length > 0;
    return (
      !deposited ||
      (sweeps.length > 0 && sweeps.every((sweep) => sweep.state === 'included' || sweep.state === 'final'))
    );
  });
}

async function withdrawOne(
  devnet: Devnet,
  customer: StoryCustomer,
  assets: readonly AssetName[],
  state: 'settled',
): Promise<WithdrawalResource[]> {
  const some = assets.filter((asset) => asset === 'BTC' || asset === 'USDC');
  const coins: Partial<Record<AssetName, string>> = { BTC: '0.01', USDC: '50' };
  const requested = await Promise.all(some.map((asset) => withdrawByPasskey(devnet, customer, asset, coins[asset]!)));
  return Promise.all(requested.map((withdrawal) => awaitWithdrawal(devnet, withdrawal.id, state)));
}

function withdrawByPasskey(
  devnet: Devnet,
  customer: StoryCustomer,
  asset: AssetName,
  coins: string,
): Promise<WithdrawalResource> {
  const destination = customer.destinations.get(asset)!;
  return requestWithdrawal(devnet, customer, asset, coins, destination, devnet.authorizeWithPasskey);
}

async function waitForSigners(devnet: Devnet, customer: StoryCustomer) {
  await devnet.signer('signer-2').stop();
  const waiting = await withdrawByPasskey(devnet, customer, 'ETH', '0.05');
  await awaitCondition('the alarm that signers are away', async () =>
    (await devnet.client.listAlarms()).data.some((alarm) => alarm.code === 'signers-unavailable'),
  );
  await sleep(1_000);
  const { state } = await devnet.client.getWithdrawal({ id: waiting.id });
  if (state !== 'signing') throw new Error(`with one signer the withdrawal is ${state}`);
  await devnet.startSigner('signer-2');
  await devnet.startSigner('signer-3');
  await awaitWithdrawal(devnet, waiting.id, 'settled');
  return { detail: 'waited as "signing" with one signer, settled with two', value: undefined };
}

async function reverseDeposit(devnet: Devnet, customer: Customer) {
  const rpcUrl = devnet.chains.anvil.url;
  // The withdrawals before are left below the reorg.
  await mine({ rpcUrl, blocks: 5 });
  const txid = await payDeposit(devnet, customer, 'USDT', '77');
  const { confirmations } = await awaitDeposit(devnet, customer, txid, 'credited');
  await reorg({ rpcUrl, depth: confirmations + 2 });
  await awaitDeposit(devnet, customer, txid, 'orphaned');
  return { detail: '77 USDT credited, then taken back with its block', value: undefined };
}

async function balanceBooks(devnet: Devnet) {
  const book = await awaitCondition('reconciliation without difference', async () => {
    const found = await devnet.client.reconcile();
    return found.balanced && found;
  });
  return {
    detail: book.rows
      .map((row) => `${row.asset} ${formatUnits(BigInt(row.chain), row.decimals)}, difference ${row.difference}`)
      .join('; '),
    value: undefined,
  };
}
