import { keccak_256 } from '@noble/hashes/sha3.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { buildWithdrawalBatch, type WithdrawalLeg } from '@holdfast/core/chains/evm/build.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { devnetAbi, toHex } from '@holdfast/devnet/evm/abi.ts';
import { deployVault, type EvmDeployment } from '@holdfast/devnet/evm/deploy-vault.ts';
import { rpcCall, waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { mintAndSendUsdc, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { signedSafeCall } from '@holdfast/devnet/evm/sign-safe-call.ts';
import { startAnvil } from '@holdfast/devnet/evm/start-anvil.ts';
import { tableOf, type BenchResult } from './result.ts';

const payouts = 50;
const ownerKeys = [1, 2, 3].map((at) => `0x${String(at).padStart(64, '0')}`);

/** What the vault's guard may add to a batch of 50. */
const overheadPercentMax = 15;
const guardSlot = toHex(keccak_256(utf8ToBytes('guard_manager.guard.address')));

/**
 * Gas a payout of a vault batch beside a transfer of an ordinary account, to recipients that hold the asset and that do
 * not; and of a payout, alone and in the batch, with the vault's guard beside without it. Evacuation of many tokens is in
 * contracts/gas.json.
 */
export async function run(): Promise<BenchResult[]> {
  const node = await startAnvil();
  try {
    return await measure(node.url);
  } finally {
    await node.stop();
  }
}

async function measure(rpcUrl: string): Promise<BenchResult[]> {
  const owners = ownerKeys.map(addressOfKey);
  const capacity = 10n ** 24n;
  const deployment = await deployVault({
    rpcUrl,
    deployerKey: devnetKeys.deployer,
    owners,
    emergencyKeys: owners,
    limits: (['ETH', 'USDC'] as const).map((asset) => ({ asset, capacity, refillPerSecond: 1n })),
    coldOwners: owners,
    coldThreshold: 2,
    governanceOwners: owners,
  });
  const { safe, usdc } = deployment;
  const fund = await sendEth({ rpcUrl, to: safe, amountWei: 10n ** 20n });
  await waitForReceipt(rpcUrl, fund);
  for (const to of [safe, addressOfKey(devnetKeys.faucet)]) {
    await waitForReceipt(rpcUrl, await mintAndSendUsdc({ rpcUrl, usdc, to, amount: 10n ** 12n }));
  }
  const guarded = await measureBatches(rpcUrl, deployment, deployment.guard);
  // The same Safe without its guard: no owner could take it off like this.
  await rpcCall(rpcUrl, 'anvil_setStorageAt', [safe, guardSlot, `0x${'00'.repeat(32)}`]);
  const plain = await measureBatches(rpcUrl, deployment, null);
  return [...guarded.map(({ result }) => result), ...overheads(guarded, plain)];
}

interface Measured {
  readonly result: BenchResult;
  readonly asset: string;
  readonly state: 'new' | 'existing';
  /** Gas of a batch of 50, and of a payout alone. */
  readonly batch: number;
  readonly alone: number;
}

async function measureBatches(rpcUrl: string, deployment: EvmDeployment, guard: string | null): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const [asset, contract] of [
    ['ETH', null],
    ['USDC-like', deployment.usdc],
  ] as const) {
    const first = asset.length * 1_000 + (guard === null ? 500 : 0);
    const recipients = Array.from({ length: payouts }, (_, at) => freshAddress(first + at));
    const [single, lone] = [freshAddress(first + payouts), freshAddress(first + payouts + 1)];
    // The first round pays addresses that hold nothing of the asset, the second pays the same ones again.
    for (const state of ['new', 'existing'] as const) {
      const account = await gasOfTransfer(rpcUrl, contract, single);
      const batch = await gasOfBatch({ rpcUrl, deployment, guard, legs: recipients.map((to) => legOf(contract, to)) });
      const alone = await gasOfBatch({ rpcUrl, deployment, guard, legs: [legOf(contract, lone)] });
      const result = {
        name: `${asset} batch of ${payouts} to ${state} holders, a payout`,
        value: Math.round(batch / payouts),
        unit: 'gas',
        note: `${(batch / payouts / account).toFixed(2)}x a transfer of an ordinary account (${account})`,
      };
      measured.push({ result, asset, state, batch, alone });
    }
  }
  return measured;
}

/** To holders of the asset: the cheapest payments, of which the guard's part is largest. */
function overheads(guarded: readonly Measured[], plain: readonly Measured[]): BenchResult[] {
  return guarded.flatMap(({ asset, state, ...with_ }, at) => {
    const without = plain[at];
    invariant(without !== undefined && without.asset === asset, 'both were measured');
    if (state === 'new') return [];
    return (['batch', 'alone'] as const).map((how) => ({
      name: `${asset} ${how === 'batch' ? `batch of ${payouts}` : 'alone'}, the guard's part`,
      value: Math.round((with_[how] / without[how] - 1) * 1_000) / 10,
      unit: '%',
      note: `${with_[how]} gas with, ${without[how]} without`,
      ...(how === 'batch' ? { target: { max: overheadPercentMax } } : {}),
    }));
  });
}

/** An address of nobody, without code. */
function freshAddress(index: number): string {
  return addressOfKey(`0x${(0xbe0000 + index).toString(16).padStart(64, '0')}`);
}

function legOf(contract: string | null, to: string): WithdrawalLeg {
  const amount = baseUnits(1_000n);
  return contract === null ? { kind: 'native', to, amount } : { kind: 'erc20', contract, to, amount };
}

async function gasOfTransfer(rpcUrl: string, contract: string | null, to: string): Promise<number> {
  const call =
    contract === null
      ? { to, valueWei: 1_000n }
      : { to: contract, data: toHex(devnetAbi.transfer.encodeInput({ to, amount: 1_000n })) };
  const receipt = await sendAndWait({ rpcUrl, key: devnetKeys.faucet, ...call });
  return Number(receipt.gasUsed);
}

async function gasOfBatch(input: {
  rpcUrl: string;
  deployment: EvmDeployment;
  guard: string | null;
  legs: readonly WithdrawalLeg[];
}): Promise<number> {
  const { rpcUrl, deployment, guard, legs } = input;
  const { safe, multiSend, chainId } = deployment;
  const nonce = BigInt(await rpcCall<string>(rpcUrl, 'eth_call', [{ to: safe, data: '0xaffed0e0' }, 'latest']));
  const { timestamp } = await rpcCall<{ timestamp: string }>(rpcUrl, 'eth_getBlockByNumber', ['latest', false]);
  const deadline = guard === null ? null : { guard, notAfterS: BigInt(timestamp) + 3_600n };
  const tx = buildWithdrawalBatch({ legs, nonce, multiSend, deadline });
  const data = signedSafeCall({ chainId, safe, tx, keys: ownerKeys.slice(0, 2) });
  const receipt = await sendAndWait({ rpcUrl, key: devnetKeys.spare, to: safe, data });
  invariant(receipt.logs.length > 0, 'the Safe reports every execution');
  return Number(receipt.gasUsed);
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
